"""Each fault is made on a real pty or socket, polled by a real bus, and looked for in what its recorder kept."""

from pathlib import Path
from typing import Any

import pytest

from agent.diagnosis import doctor
from agent.diagnosis.evidence import LineEvidence
from agent.diagnosis.finding import Confidence, Finding
from sim_devices.clock import Now
from sim_devices.conversation import Conversation, Slaves
from sim_devices.faults import Fault, Faults, Kind, Send
from sim_devices.modbus.session import PROTOCOL as modbus  # noqa: N811
from sim_devices.models.base import Device
from sim_devices.servers import PtyServer
from sim_devices.simulation import Simulation
from tests.agent.diagnosis.rig import CODES, Rig, polled, simulated

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.bus.health.FAILING_MS", 100)
    monkeypatch.setattr("agent.bus.health.MIN_BACKOFF_MS", 20)
    monkeypatch.setattr("agent.bus.health.MAX_BACKOFF_MS", 40)
    monkeypatch.setattr("agent.diagnosis.recorder.APART_NS", 0)


async def examined(simulation: Simulation, until: Any, requests: int = 12, timeout_s: float = 0.1) -> list[Finding]:
    address = simulation.servers[0].address
    driver = "modbus-rtu" if address.startswith("/") else "modbus-tcp"
    rig = Rig(driver, address, [1, 2, 3], "meter_1p", timeout_s)
    async with polled(rig):
        await until(lambda: rig.bus.counters.requests >= requests)
        return doctor.examine(await rig.evidence())


def causes(found: list[Finding]) -> set[str]:
    return {finding.cause for finding in found}


async def test_of_a_line_on_which_all_is_well_nothing_is_said(tmp_path: Path, until: Any) -> None:
    async with simulated(tmp_path) as simulation:
        assert await examined(simulation, until) == []


@pytest.mark.parametrize(
    ("kind", "everywhere", "cause", "confidence"),
    [
        (Kind.BIT_ERROR, False, "noise", Confidence.LIKELY),
        (Kind.RINGING, True, "termination", Confidence.LIKELY),
        (Kind.COLLISION, False, "collision", Confidence.POSSIBLE),
        pytest.param(Kind.HALF_SPEED, True, "speed", Confidence.LIKELY, marks=pytest.mark.long),
        (Kind.INVERTED, True, "inverted", Confidence.LIKELY),
        (Kind.SILENT, False, "device-silent", Confidence.CERTAIN),
        pytest.param(Kind.SILENT, True, "line-silent", Confidence.CERTAIN, marks=pytest.mark.long),
        (Kind.EXCEPTION, False, "refused", Confidence.CERTAIN),
        (Kind.WRONG_UNIT, False, "another-answers", Confidence.CERTAIN),
        pytest.param(Kind.DUPLICATE, False, "answers-twice", Confidence.POSSIBLE, marks=pytest.mark.long),
    ],
)
async def test_a_fault_is_named_and_nothing_else_is(
    tmp_path: Path, until: Any, kind: Kind, everywhere: bool, cause: str, confidence: Confidence
) -> None:
    async with simulated(tmp_path) as simulation:
        for code in CODES[:3] if everywhere else CODES[2:3]:
            simulation.faults.add(code, Fault(kind))
        found = await examined(simulation, until, requests=6 if everywhere else 12)
    assert [(finding.cause, finding.confidence) for finding in found] == [(cause, confidence)]
    assert found[0].evidence
    assert found[0].advice
    assert found[0].devices in ((), (CODES[2],))


async def test_answers_that_come_too_late_are_told_with_the_time_that_would_do(tmp_path: Path, until: Any) -> None:
    async with simulated(tmp_path) as simulation:
        simulation.faults.add(CODES[2], Fault(Kind.LATE, delay_s=0.25))
        found = await examined(simulation, until)
    (finding,) = [finding for finding in found if finding.cause == "late"]
    assert finding.devices == (CODES[2],)
    assert "timeout_s" in finding.advice[0]


async def test_a_vanished_adapter_is_told_from_a_silent_line(tmp_path: Path, until: Any) -> None:
    rig = Rig("modbus-rtu", str(tmp_path / "gone"), [1], "meter_1p", 0.1)
    async with polled(rig):
        await until(lambda: rig.bus.fault)
        (finding,) = doctor.examine(await rig.evidence())
    assert (finding.cause, finding.confidence) == ("adapter-gone", Confidence.CERTAIN)


async def test_a_refused_connection_is_told_from_a_host_that_is_away(until: Any) -> None:
    rig = Rig("modbus-tcp", "127.0.0.1:1", [1], "meter_1p", 0.1)
    async with polled(rig):
        await until(lambda: rig.bus.fault)
        (finding,) = doctor.examine(await rig.evidence())
    assert finding.cause == "tcp-refused"


async def test_silence_behind_a_connection_is_not_blamed_on_a_cable(tmp_path: Path, until: Any) -> None:
    async with simulated(tmp_path, kind="tcp") as simulation:
        for code in CODES[:3]:
            simulation.faults.add(code, Fault(Kind.SILENT))
        found = await examined(simulation, until, requests=6)
    assert causes(found) == {"line-silent"}
    assert not any("swap A and B" in line for line in found[0].advice)


def test_without_any_evidence_nothing_is_claimed() -> None:
    blank = LineEvidence("line", "modbus-rtu", "/dev/ttyUSB0", True, "", 1, 500.0, 9600, [])
    assert doctor.examine(blank) == []


def test_the_page_says_how_sure_it_is_on_what_it_stands_and_what_to_do() -> None:
    finding = Finding("noise", "frames are damaged", Confidence.LIKELY, ("3 are",), ("shield it",), ("D1",))
    page = list(doctor.render({"a": [finding], "b": []}))
    assert page == [
        "a:",
        "  likely: frames are damaged (D1)",
        "      seen: 3 are",
        "      do:   shield it",
        "b: nothing is wrong that its bytes or counters show",
    ]


class Twice:
    """The slaves of a line on which others answer too, or on which the adapter hears itself."""

    def __init__(self, *parts: Slaves, echo: bool = False) -> None:
        self.units, self.requests = parts[0].units, parts[0].requests
        self._parts, self._echo = parts, echo
        self._said: list[Conversation] = []

    def converse(self, kind: str) -> "Twice":
        self._said = [part.converse(kind) for part in self._parts]
        return self

    def receive(self, data: bytes, at: Now) -> list[Send]:
        echo = [Send(0.0, data)] if self._echo else []
        return [*echo, *(send for one in self._said for send in one.receive(data, at))]

    def idle(self, at: Now) -> list[Send]:
        return [send for one in self._said for send in one.idle(at)]


async def test_two_devices_of_one_address_are_told_by_their_differing_answers(tmp_path: Path, until: Any) -> None:
    (tmp_path / "b").mkdir()
    async with simulated(tmp_path, units=3) as simulation, simulated(tmp_path / "b", units=4) as other:
        (line,) = simulation.servers
        (elsewhere,) = other.servers
        assert isinstance(line, PtyServer)
        lone: dict[int | str, Device] = {1: elsewhere.slaves.units[4]}  # another meter, which somebody set to 1
        twin = modbus.gather(lone, Faults(1), lambda _: None, None)
        line.slaves = Twice(line.slaves, twin)
        await line.close()
        await line.start()
        found = await examined(simulation, until)
    assert [(finding.cause, finding.devices) for finding in found] == [("two-on-one-address", (CODES[0],))]


async def test_an_echo_is_told_and_not_taken_for_damage(tmp_path: Path, until: Any) -> None:
    async with simulated(tmp_path) as simulation:
        (line,) = simulation.servers
        line.slaves = Twice(line.slaves, echo=True)
        await line.close()
        await line.start()
        found = await examined(simulation, until)
    assert [(finding.cause, finding.confidence) for finding in found] == [("echo", Confidence.CERTAIN)]
