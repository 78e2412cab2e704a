"""Scans over real ptys: beside a gateway's live polls, and on the line alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent import control
from agent.diagnosis import scan
from agent.diagnosis.search import Search
from tests.agent.diagnosis.rig import Rig, polled, simulated


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few addresses, so that a test is over soon."""
    monkeypatch.setattr("agent.diagnosis.search.MODBUS_UNITS", (1, 2, 3, 4, 9))
    monkeypatch.setattr("agent.diagnosis.search.LIKELY_UNITS", (3,))
    monkeypatch.setattr("agent.diagnosis.search.MBUS_UNITS", (0,))
    monkeypatch.setattr("agent.diagnosis.scan.MOST_TIMEOUT_S", 0.1)
    monkeypatch.setattr("agent.diagnosis.polite.SHARE", 0.9)
    monkeypatch.setattr("drivers.transport.serial_port.QUIET_S", 0.02)
    monkeypatch.setattr("drivers.modbus.template.template_names", lambda: ["lamp_controller", "meter_1p"])


async def test_a_device_is_found_between_live_polls_and_none_of_those_is_missed(tmp_path: Path, until: Any) -> None:
    told: list[tuple[int, int]] = []
    async with simulated(tmp_path, units=4) as simulation:
        rig = Rig("modbus-rtu", simulation.servers[0].address, [1, 2], "meter_1p", 0.2, period_ms=600)
        async with polled(rig), asyncio.TaskGroup() as tasks:
            report: Any = {"report": _report}
            serving = tasks.create_task(control.serve(tmp_path, {**rig.answers, **report}))
            await until(lambda: (tmp_path / control.NAME).exists() and rig.bus.is_open)
            found = await scan.run(
                tmp_path, rig.settings, offline=False, tell=lambda asked, total, _: told.append((asked, total))
            )
            counters = rig.bus.counters.devices
            serving.cancel()
    (search,) = found
    assert [(one.unit, one.templates[0]) for one in search.found] == [("3", "meter_1p"), ("4", "meter_1p")]
    assert search.doubts == []
    assert told[-1][0] == told[-1][1]
    assert [one.missed for one in counters] == [0, 0]
    assert not any(one.errors for one in counters)
    page = "\n".join(scan.render(found, rig.settings))
    assert "2 found that are not configured" in page
    assert 'model = "meter_1p"' in page


async def _report(_: object) -> object:
    return {}


@pytest.mark.long
async def test_without_a_gateway_the_line_itself_is_asked(tmp_path: Path) -> None:
    async with simulated(tmp_path, units=3) as simulation:
        rig = Rig("modbus-rtu", simulation.servers[0].address, [1], "meter_1p", 0.2)
        (search,) = await scan.run(tmp_path, rig.settings, offline=False, tell=lambda *_: None)
    assert [one.unit for one in search.found] == ["2", "3"]


@pytest.mark.long
async def test_offline_other_speeds_are_tried_and_told_with_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.diagnosis.scan.BAUDS", (9600, 19200))
    monkeypatch.setattr("agent.diagnosis.scan.PARITIES", ("N",))
    async with simulated(tmp_path, units=3) as simulation:
        rig = Rig("modbus-rtu", simulation.servers[0].address, [1], "meter_1p", 0.2)
        found = await scan.run(tmp_path, rig.settings, offline=True, tell=lambda *_: None)
    # A pty carries every speed alike: each is right.
    assert [{one.settings for one in search.found} for search in found] == [{"9600 N1"}, {"19200 N1"}]


async def test_what_writes_is_not_asked_for_anybody(tmp_path: Path) -> None:
    async with simulated(tmp_path) as simulation:
        rig = Rig("modbus-rtu", simulation.servers[0].address, [1], "meter_1p", 0.2)
        for request in ("0106000000018 9ca".replace(" ", ""), "01", ""):
            with pytest.raises(control.Declined, match="only reads"):
                await rig.answers["ask"]({"bus": "line", "request": request, "longest": 8, "wait_s": 0.1})


async def test_a_line_that_cannot_be_searched_says_why(tmp_path: Path) -> None:
    rig = Rig("modbus-rtu", str(tmp_path / "gone"), [1], "meter_1p", 0.2)
    with pytest.raises(scan.CannotScan, match="No such file"):
        await scan.run(tmp_path, rig.settings, offline=False, tell=lambda *_: None)
    with pytest.raises(control.Declined, match="not open"):
        await rig.answers["ask"]({"bus": "line", "request": "0103000000 01840a".replace(" ", ""), "longest": 7,
                                  "wait_s": 0.1})  # fmt: skip


async def test_what_was_found_before_a_scan_is_broken_off_is_not_lost(tmp_path: Path) -> None:
    def tell(asked: int, total: int, _: str) -> None:
        if asked == 4:
            raise KeyboardInterrupt

    begun: list[Search] = []
    async with simulated(tmp_path, units=3) as simulation:
        rig = Rig("modbus-rtu", simulation.servers[0].address, [1], "meter_1p", 0.2)
        with pytest.raises(KeyboardInterrupt):
            await scan.run(tmp_path, rig.settings, offline=False, tell=tell, begun=begun)
    page = "\n".join(scan.render(begun, rig.settings))
    assert "2 found" in page
    assert "modbus-rtu 3" in page
