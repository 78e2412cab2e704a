import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sim_devices.config import load
from sim_devices.control import ControlServer, Refused, ask
from sim_devices.simulation import Simulation

TEXT = """\
[[bus]]
name = "bench"
kind = "tcp"
[[bus.device]]
code = "D1"
name = "lamp"
model = "lamp_controller"
[[bus.device]]
code = "D2"
name = "gas"
model = "gas_head"
section = "t/1"
unit = 2
"""


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Path]:
    (tmp_path / "sim.toml").write_text(TEXT)
    path = tmp_path / "c"
    async with Simulation(load(tmp_path / "sim.toml")) as simulation, ControlServer(path, simulation):
        yield path


async def asked(path: Path, **request: Any) -> dict[str, Any]:
    return await asyncio.to_thread(ask, path, request)


async def test_a_fault_is_set_listed_and_cleared(control: Path) -> None:
    answer = await asked(control, do="fault", device="lamp", kind="late", probability=0.3, for_s=60.0, delay_s=2.0)
    assert answer["devices"] == ["lamp"]
    lamp, gas = (await asked(control, do="list"))["devices"]
    assert (lamp["code"], lamp["bus"], lamp["unit"], lamp["requests"]) == ("D1", "bench", 1, 0)
    assert lamp["faults"][0]["kind"] == "late"
    assert 50 < lamp["faults"][0]["left_s"] <= 60
    assert gas["faults"] == []
    assert (await asked(control, do="clear"))["ended"] == 1


async def test_a_code_a_bus_or_a_star_mean_devices_too(control: Path) -> None:
    for meant, names in (("D2", ["gas"]), ("bench", ["lamp", "gas"]), ("*", ["lamp", "gas"])):
        assert (await asked(control, do="fault", device=meant, kind="silent"))["devices"] == names
    assert (await asked(control, do="clear", device="D2"))["ended"] == 1


async def test_values_are_shown_as_they_stand_behind_the_registers(control: Path) -> None:
    values = (await asked(control, do="show", device="gas"))["values"]["gas"]
    assert 15 < values["o2"] < 22


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"do": "fault", "device": "lmap", "kind": "late"}, r"called 'lmap'; did you mean 'lamp'\?"),
        ({"do": "fault", "device": "lamp", "kind": "latte"}, r"called 'latte'; did you mean late\?"),
        ({"do": "fault", "device": "lamp", "kind": "late", "probability": 3}, "a probability lies in 0..1"),
        ({"do": "fault", "device": "lamp", "kind": "late", "for_s": "x"}, "for_s is to be a number, not 'x'"),
        ({"do": "fault", "device": "lamp", "kind": "exception", "exception": float("inf")}, "infinity"),
        ({"do": "explode"}, 'send {"do": one of fault, clear, list, show, modem}'),
        ({"do": ["fault"]}, 'send {"do"'),
    ],
)
async def test_what_it_does_not_do_it_explains(control: Path, request_: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        await asked(control, **request_)
    assert (await asked(control, do="list"))["devices"]


def test_the_socket_is_its_owners_alone(control: Path) -> None:
    assert stat.S_IMODE(control.stat().st_mode) == 0o600


async def test_garbage_is_answered_and_an_endless_line_is_hung_up_on(control: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(control)
    writer.write(b"\xff\xfe not json\n")
    assert b'"ok": false' in await reader.readline()
    writer.write(b"x" * 200_000)
    assert await reader.read() == b""
    writer.close()


def test_a_simulation_that_does_not_run_is_said_not_to(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no simulation answers at .* is it running"):
        ask(tmp_path / "nobody", {"do": "list"})


async def test_a_modem_is_told_to_hang_and_its_network_to_weaken(tmp_path: Path) -> None:
    path = tmp_path / "sim.toml"
    path.write_text(
        'control = "c.sock"\n[[modem]]\nname = "m"\nfamily = "bc95"\nlink = "tty"\nregistration_s = 0\n', "utf-8"
    )
    async with Simulation(load(path)) as simulation, ControlServer(tmp_path / "c.sock", simulation):
        network = simulation.modems["m"].modem.network
        answer = await asked(tmp_path / "c.sock", do="modem", modem="m", action="hang", loss=0.2, rsrp_dbm=-120)
        assert (answer["hung"], network.loss, network.rsrp_dbm) == ("dead", 0.2, -120)
        answer = await asked(tmp_path / "c.sock", do="modem", modem="m", action="power-cycle")
        assert answer["hung"] is None
        for request, reason in (
            ({"modem": "n", "action": "hang"}, "there are: m"),
            ({"modem": "m", "action": "hung"}, "it does: hang,"),
            ({"modem": "m", "action": "network", "loss": 1}, "a loss lies in"),
        ):
            with pytest.raises(Refused, match=reason):
                await asked(tmp_path / "c.sock", do="modem", **request)
