import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from drivers.base import LineDown, Nonsense, Span
from drivers.outside import child as program
from drivers.outside.line import OutsideLine
from tests.outsider import change


@pytest.fixture
def gauge(line: OutsideLine) -> Any:
    return line._models["gauge"]


def test_a_bug_is_placed_in_the_driver_s_code_wherever_it_showed() -> None:
    library = Path(os.__file__).parent
    assert program._is_theirs("/home/me/acme/driver.py")
    assert program._is_theirs(str(library / "site-packages" / "acme" / "driver.py"))
    assert not program._is_theirs(str(library / "json" / "decoder.py"))
    assert not program._is_theirs("<frozen importlib._bootstrap>")
    assert not program._is_theirs(program.__file__)


async def test_a_bug_in_a_library_s_call_names_the_driver_s_line(package: Path, line: OutsideLine, gauge: Any) -> None:
    change(
        package / "model.py", "        return Readings.of(", "        int.from_bytes('x')\n        return Readings.of("
    )
    await line.open()
    with pytest.raises(Nonsense, match=r"TypeError: .* \(model.py, line \d+\)"):
        await line.read(7, _span(gauge), 0.5)


async def test_readings_of_what_is_no_number_are_the_driver_s_bug(package: Path, line: OutsideLine, gauge: Any) -> None:
    change(package / "model.py", "Reading(1, raw[2], 0)", "Reading(1, 'one', 0)")
    await line.open()
    with pytest.raises(Nonsense, match="TypeError: a reading of 'one', which is no number"):
        await line.read(7, _span(gauge), 0.5)


async def test_calls_are_done_one_after_another_and_a_cancelled_one_is_over_before_the_next(
    line: OutsideLine, gauge: Any, behave: Any
) -> None:
    await line.open()
    assert line.child is not None
    behave("slow")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await line.read(7, _span(gauge), 0.5)
    behave("well")
    await asyncio.gather(*(line.read(unit, _span(gauge), 0.5) for unit in range(1, 20)))
    assert line.child._calls == {}


async def test_a_driver_that_closes_every_file_is_ended(
    package: Path, line: OutsideLine, gauge: Any, behave: Any, until: Any
) -> None:
    change(package / "driver.py", "return 1 / 0", "os.closerange(3, 100); await asyncio.sleep(3600)")
    await line.open()
    assert line.child is not None
    behave("bug")
    with pytest.raises(LineDown, match=r"it closed the gateway's socket|it hung|it ended by itself"):
        await line.read(7, _span(gauge), 0.5)


def _span(gauge: Any) -> Span:
    return Span(*gauge.points[0][:3])
