"""RTU against devices that answer late, twice, truncated and corrupted, in virtual time."""

from collections import Counter
from dataclasses import dataclass

import pytest

from drivers.base import DeviceError, Unreachable
from drivers.modbus.copies import CREDIT
from drivers.modbus.debts import FORGOTTEN_S
from drivers.modbus.rtu_dialogue import FLOOR_S, RtuDialogue
from drivers.transport.transaction import DRAIN_QUIET_S
from protocols.modbus.frame import Frame
from protocols.modbus.parse import parse_response
from protocols.modbus.pdu import (
    ExceptionResponse,
    ReadBitsResponse,
    ReadRegisters,
    ReadRegistersResponse,
    Request,
    Response,
    WriteSingleRegister,
)
from protocols.modbus.rtu import char_time, encode_rtu, idle_time
from tests.drivers.modbus.faulty import CEILING_S, HOLDING, REQUESTS, Devices, proof


@dataclass
class Wire:
    where: str = "line"
    char_s: float = char_time(115200, "N", 1)
    idle_s: float = idle_time(115200)
    quiet_s: float | None = 0.1


INSIDE_TCP = Wire(char_s=0.0, idle_s=0.0, quiet_s=None)


def step(dialogue: RtuDialogue, devices: Devices, until: float) -> None:
    """The next event on either side, at `until` at the latest."""
    if output := dialogue.take_output():
        devices.hear(output)
    moment = min(dialogue.wake_at, devices.next_at())
    if moment > until:
        devices.now = until
    elif devices.next_at() <= dialogue.wake_at:
        devices.now = max(devices.now, moment)
        dialogue.receive(devices.now, devices.take())
    else:
        devices.now = max(devices.now, moment)
        dialogue.wake(devices.now)


def ask(dialogue: RtuDialogue, devices: Devices, unit: int, request: Request) -> Response | DeviceError:
    dialogue.begin(devices.now, unit, request, CEILING_S)
    while dialogue.result is None:
        step(dialogue, devices, float("inf"))
    if output := dialogue.take_output():
        raise AssertionError(f"{output!r} is sent though the request has its result")
    result: Response | DeviceError = dialogue.result
    return result


def poll(polls: int, seed: int, wire: Wire, share: float = 0.1, units: int = 3) -> tuple[RtuDialogue, Counter[str]]:
    """Asks without a pause mostly, and looks at every value. How many polls ended how."""
    dialogue, devices, ends = RtuDialogue(wire), Devices(seed, share), Counter[str]()
    dialogue.opened()
    for _ in range(polls):
        request = devices.choose.choice(REQUESTS)
        result = ask(dialogue, devices, devices.choose.randrange(1, units + 1), request)
        if isinstance(result, ReadRegistersResponse | ReadBitsResponse):
            assert result.encode() == proof(devices.asked, request), f"poll {ends.total()}, request {devices.asked}"
            ends["good"] += 1
        else:
            ends[type(result).__name__] += 1
        if devices.choose.random() < 0.05:
            until = devices.now + devices.choose.choice([0.02, 0.3, 2.0])
            while devices.now < until:
                step(dialogue, devices, until)
    return dialogue, ends


WIRES = pytest.mark.parametrize("wire", [Wire(), INSIDE_TCP], ids=["serial", "inside tcp"])


@WIRES
@pytest.mark.parametrize(("seed", "share"), [(0, 0.1), (1, 0.4)])
def test_no_poll_gives_a_wrong_value(seed: int, share: float, wire: Wire) -> None:
    polls = 6_000
    dialogue, ends = poll(polls, seed, wire, share)
    assert ends["good"] > polls * (1 - 1.5 * share)
    assert dialogue.late > 20
    assert dialogue.copies.seen > 20


@pytest.mark.long
@pytest.mark.timeout(1800)
@WIRES
def test_a_million_polls_half_on_each_wire_give_no_wrong_value(wire: Wire) -> None:
    dialogue, ends = poll(500_000, 100, wire)
    assert ends["good"] > 450_000
    assert dialogue.late > 5_000
    assert dialogue.copies.seen > 5_000


class Script(Devices):
    """Answers honestly but for requests whose number has a script: (seconds from then, PDU) of each answer."""

    def __init__(self) -> None:
        super().__init__(0, 0.0)
        self.script: dict[int, list[tuple[float, bytes]]] = {}
        self.heard: list[Frame] = []
        self.steady: bytes | None = None  # a PDU that answers all reads of its length
        self.echoes = False
        self.knows: set[bytes] = set()  # if any: it is silent to all other requests

    def hear(self, data: bytes) -> None:
        if self.echoes:
            self._send(self.now, data)
        super().hear(data)

    def _answer(self, frame: Frame, pdu: bytes) -> None:
        self.heard.append(frame)
        if self.knows and frame.pdu not in self.knows:
            return
        if self.steady is not None and len(self.steady) == len(pdu):
            pdu = self.steady
        for after, answer in self.script.get(self.asked, [(0.005, pdu)]):
            self._send(self.now + after, encode_rtu(Frame(frame.unit, answer)))


TWO, OTHER_TWO = ReadRegisters(HOLDING, 0, 2), ReadRegisters(HOLDING, 10, 2)


@pytest.fixture
def devices() -> Script:
    return Script()


@pytest.fixture
def dialogue() -> RtuDialogue:
    made = RtuDialogue(INSIDE_TCP)
    made.opened()
    return made


def pause(dialogue: RtuDialogue, devices: Devices, seconds: float) -> None:
    until = devices.now + seconds
    while devices.now < until:
        step(dialogue, devices, until)


def test_after_a_silence_the_unit_is_fenced_and_others_are_not(dialogue: RtuDialogue, devices: Script) -> None:
    devices.script[1] = []
    assert isinstance(ask(dialogue, devices, 1, TWO), Unreachable)
    assert ask(dialogue, devices, 2, TWO) == parsed(devices.asked, TWO)
    assert devices.asked == 2
    assert ask(dialogue, devices, 1, TWO) == parsed(4, TWO)
    assert devices.heard[2].pdu == ReadRegisters(HOLDING, 0, 1).encode()


def test_once_the_late_answer_came_nothing_is_fenced(dialogue: RtuDialogue, devices: Script) -> None:
    devices.script[1] = [(CEILING_S + 0.2, proof(1, TWO))]
    assert isinstance(ask(dialogue, devices, 1, TWO), Unreachable)
    pause(dialogue, devices, 0.4)
    assert dialogue.late == 1
    assert ask(dialogue, devices, 1, TWO) == parsed(2, TWO)
    assert devices.asked == 2


def test_a_late_answer_teaches_to_wait_longer(dialogue: RtuDialogue, devices: Script) -> None:
    for _ in range(20):
        ask(dialogue, devices, 1, TWO)
    quick = dialogue.turnaround_s(1)
    assert quick == pytest.approx(0.005)
    began = devices.now
    devices.script[21] = [(2.5 * FLOOR_S, proof(21, TWO))]
    assert isinstance(ask(dialogue, devices, 1, TWO), Unreachable)
    assert devices.now - began < 2 * FLOOR_S < CEILING_S
    pause(dialogue, devices, 0.3)
    devices.script[22] = [(2.5 * FLOOR_S, proof(22, TWO))]
    assert ask(dialogue, devices, 1, TWO) == parsed(22, TWO)


def test_a_write_is_given_the_whole_time(dialogue: RtuDialogue, devices: Script) -> None:
    for _ in range(20):
        ask(dialogue, devices, 1, TWO)
    write = WriteSingleRegister(3, 7)
    devices.script[21] = [(0.9 * CEILING_S, write.encode())]
    assert ask(dialogue, devices, 1, write) == write


def test_the_first_copy_there_ever_was_is_not_taken_for_the_next_answer(dialogue: RtuDialogue, devices: Script) -> None:
    """It comes while other registers of the same number are asked for, whose own answer comes behind it."""
    devices.script[1] = [(0.005, proof(1, TWO)), (0.045, proof(1, TWO))]
    devices.script[2] = [(0.05, proof(2, OTHER_TWO))]
    assert ask(dialogue, devices, 1, TWO) == parsed(1, TWO)
    assert ask(dialogue, devices, 1, OTHER_TWO) == parsed(2, OTHER_TWO)
    assert dialogue.copies.seen == 1


def test_a_copy_whose_true_answer_is_lost_is_not_taken_either(dialogue: RtuDialogue, devices: Script) -> None:
    devices.script[1] = [(0.005, proof(1, TWO)), (0.045, proof(1, TWO))]
    devices.script[2] = []
    assert ask(dialogue, devices, 1, TWO) == parsed(1, TWO)
    assert ask(dialogue, devices, 1, OTHER_TWO) == parsed(devices.asked, OTHER_TWO)
    assert [frame.pdu[-1] for frame in devices.heard] == [2, 2, 1, 2]  # the fence, then once more


def test_a_copy_between_requests_costs_nothing(dialogue: RtuDialogue, devices: Script) -> None:
    devices.script[1] = [(0.005, proof(1, TWO)), (0.045, proof(1, TWO))]
    ask(dialogue, devices, 1, TWO)
    pause(dialogue, devices, 0.1)
    assert dialogue.copies.seen == 1
    assert ask(dialogue, devices, 1, TWO) == parsed(2, TWO)


def test_a_device_whose_values_stand_still_is_soon_believed_at_once(dialogue: RtuDialogue, devices: Script) -> None:
    devices.steady = proof(77, TWO)
    polls = 100
    for _ in range(polls):
        assert ask(dialogue, devices, 1, TWO) == parsed(77, TWO)
    assert devices.asked == polls + 2 * CREDIT


@pytest.mark.parametrize("period_s", [0.5, 30.0])
def test_a_device_that_is_silent_to_all_but_what_it_knows_is_not_lost_by_a_fence(
    dialogue: RtuDialogue, devices: Script, period_s: float
) -> None:
    devices.knows = {TWO.encode()}
    devices.script[10] = []
    ends = []
    for _ in range(150):
        ends.append(isinstance(ask(dialogue, devices, 1, TWO), DeviceError))
        pause(dialogue, devices, period_s)
    lost = ends.index(False, 9) - 9
    assert ends[9]
    assert lost * period_s <= FORGOTTEN_S + 2 * period_s
    assert not any(ends[9 + lost :])


def test_a_device_that_answers_no_fence_and_whose_values_stand_still_is_believed(
    dialogue: RtuDialogue, devices: Script
) -> None:
    devices.knows, devices.steady = {TWO.encode()}, proof(77, TWO)
    ends = []
    for _ in range(200):
        ends.append(isinstance(ask(dialogue, devices, 1, TWO), DeviceError))
        pause(dialogue, devices, 0.3)
    assert not any(ends[-100:])
    devices.steady = None
    asked = devices.asked
    devices.script[asked + 1] = [(0.005, proof(1, TWO)), (0.045, proof(1, TWO))]
    ask(dialogue, devices, 1, TWO)
    assert dialogue.copies.seen == 0
    devices.script[asked + 2] = [(0.05, proof(asked + 2, TWO))]
    assert ask(dialogue, devices, 1, TWO) == parsed(asked + 2, TWO), "the copy is not taken where the answer follows"


def test_a_line_that_echoes_reads_and_writes_as_any_other(dialogue: RtuDialogue, devices: Script) -> None:
    devices.echoes = True
    write = WriteSingleRegister(3, 7)
    assert ask(dialogue, devices, 1, TWO) == parsed(1, TWO)
    devices.script[2] = []
    assert isinstance(ask(dialogue, devices, 1, write), Unreachable), "the echo is no answer"
    assert ask(dialogue, devices, 1, write) == write
    assert ask(dialogue, devices, 1, TWO) == parsed(devices.asked, TWO)


def test_the_refusal_of_a_fence_that_was_asked_twice_is_not_the_next_requests(
    dialogue: RtuDialogue, devices: Script
) -> None:
    """The first fence is answered late, in the second one's place; the second is refused meanwhile."""
    fence = ReadRegisters(HOLDING, 0, 1)
    devices.script |= {1: [], 2: [(CEILING_S + 0.05, proof(2, fence))], 3: [(0.06, ExceptionResponse(3, 6).encode())]}
    devices.script[4] = [(0.02, proof(4, TWO))]
    assert isinstance(ask(dialogue, devices, 1, TWO), Unreachable)
    assert isinstance(ask(dialogue, devices, 1, TWO), Unreachable)
    assert ask(dialogue, devices, 1, TWO) == parsed(4, TWO)


def test_a_request_that_is_abandoned_is_fenced_off_like_one_without_an_answer(
    dialogue: RtuDialogue, devices: Script
) -> None:
    devices.script[1] = [(0.05, proof(1, TWO))]
    dialogue.begin(devices.now, 1, TWO, CEILING_S)
    pause(dialogue, devices, DRAIN_QUIET_S + 0.001)
    dialogue.abandon()
    assert ask(dialogue, devices, 1, TWO) == parsed(devices.asked, TWO)
    assert devices.asked == 3


def parsed(number: int, request: Request) -> Response:
    return parse_response(proof(number, request), request)
