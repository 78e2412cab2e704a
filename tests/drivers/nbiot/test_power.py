import sys

import pytest

from drivers.nbiot.power import power_cycle


async def test_the_operators_command_is_run_to_its_end() -> None:
    await power_cycle([sys.executable, "-c", ""])()


@pytest.mark.parametrize(
    ("command", "complaint"), [([sys.executable, "-c", "raise SystemExit(3)"], "status 3"), (["/no/such"], "No such")]
)
async def test_a_command_that_fails_says_so(command: list[str], complaint: str) -> None:
    with pytest.raises(OSError, match=complaint):
        await power_cycle(command)()
