from pathlib import Path

from sim_devices.modem.actions import ACTIONS
from tests.sim_devices.modem.host import typing_at

DOCS = Path(__file__).parents[3] / "docs" / "simulators.md"


async def test_a_network_that_was_lost_or_denied_is_found_again() -> None:
    async with typing_at("bc95") as host:
        for worse in ("lose-network", "deny", "hang-radio"):
            ACTIONS[worse].do(host.modem)
            await host.until(lambda: not host.modem.is_registered)
            ACTIONS["find-network"].do(host.modem)
            if worse == "hang-radio":
                ACTIONS["power-cycle"].do(host.modem)
            await host.until(lambda: host.modem.is_registered)


async def test_every_action_can_be_done_and_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    for name, action in ACTIONS.items():
        async with typing_at("sim7020") as host:
            action.do(host.modem)
        assert f"`{name}`" in text
