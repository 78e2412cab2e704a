"""The order of answers, without a line: a device answers in order, and the client hears what and when it hears."""

from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import Nonsense
from drivers.modbus.debts import FORGOTTEN_S, Debts, Owed, answer_length
from protocols.modbus.codes import Function
from protocols.modbus.pdu import (
    ExceptionResponse,
    MaskWriteRegister,
    ReadBits,
    ReadRegisters,
    ReadRegistersResponse,
    ReadWriteMultipleRegisters,
    Request,
    WriteMultipleCoils,
    WriteMultipleRegisters,
    WriteSingleCoil,
    WriteSingleRegister,
)

HOLDING, INPUT = Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS
READS: list[Request] = [
    ReadRegisters(HOLDING, 0, 1),
    ReadRegisters(HOLDING, 0, 2),
    ReadRegisters(HOLDING, 7, 2),
    ReadRegisters(HOLDING, 0, 3),
    ReadRegisters(INPUT, 0, 1),
    ReadRegisters(INPUT, 0, 2),
    ReadBits(Function.READ_COILS, 0, 3),
]
DATA = ReadRegistersResponse(HOLDING, b"\0\0")
UNIT, NOW = 5, 100.0


@dataclass
class Client:
    """The line's rules (RtuDialogue._judge), against a queue of answers: (number of the request, function, length)."""

    debts: Debts
    answers: deque[tuple[int, int, int]]
    sent: int = 0

    def exchange(self, request: Request, data: st.DataObject) -> None:
        certain: bool | None = False
        try:
            while not certain and (fence := self.debts.fence(UNIT, request, NOW)) is not None:
                certain = self.ask(fence, data, is_fence=True)
                if certain is None:
                    return
        except Nonsense:
            return
        self.ask(request, data, is_fence=False)

    def ask(self, request: Request, data: st.DataObject, is_fence: bool) -> bool | None:
        """What Debts.settle said, or None for no answer."""
        self.sent += 1
        refused = data.draw(st.sampled_from([False, False, True]))
        if data.draw(st.sampled_from(["answers", "answers", "is deaf"])) == "answers":
            length = 2 if refused else answer_length(request)
            self.answers.append((self.sent, request.function, length))
        for _ in range(data.draw(st.integers(0, len(self.answers)))):
            number, function, length = self.answers.popleft()
            owed = self.debts.owes(UNIT, function, length)
            if owed and length == 2 and not is_fence:
                self.debts.came(UNIT, function, length)
            elif function == request.function and length in (2, answer_length(request)):
                assert is_fence or number == self.sent, "a late answer was taken for the next"
                response = ExceptionResponse(function, 4) if length == 2 else DATA
                return self.debts.settle(UNIT, request, is_fence, response)
            else:
                assert owed, "a late answer was not known for what it is"
                self.debts.came(UNIT, function, length)
        self.debts.incur(UNIT, request, is_fence, NOW)
        return None


@settings(max_examples=200)
@given(st.data())
def test_no_answer_is_taken_for_another_requests(data: st.DataObject) -> None:
    client = Client(Debts(), deque())
    for _ in range(data.draw(st.integers(1, 14))):
        client.exchange(data.draw(st.sampled_from(READS)), data)


def test_what_came_late_is_owed_no_more_and_what_was_asked_behind_it_still_is() -> None:
    debts = Debts()
    for at, request in enumerate((READS[0], READS[1], READS[1], READS[3])):
        debts.incur(UNIT, request, is_fence=False, since=NOW + at)
    assert debts.came(UNIT, HOLDING, 99) is None
    assert debts.came(UNIT, HOLDING, answer_length(READS[1])) is None, "of two alike it may be either"
    assert not debts.owes(UNIT, HOLDING, answer_length(READS[0]))
    shapes = [(HOLDING, answer_length(request)) for request in READS]
    assert debts.came(UNIT, *shapes[1]) == Owed(shapes[1], NOW + 1, NOW + 2)
    assert debts.came(UNIT, *shapes[3]) == Owed(shapes[3], NOW + 3, NOW + 3)
    assert debts.fence(UNIT, READS[0], NOW) is None


def test_without_a_debt_there_is_no_fence() -> None:
    debts = Debts()
    assert all(debts.fence(UNIT, request, NOW) is None for request in READS)
    debts.incur(UNIT, READS[0], is_fence=False, since=NOW)
    assert debts.fence(UNIT + 1, READS[0], NOW) is None
    assert debts.fence(UNIT, ReadRegisters(INPUT, 0, 1), NOW) is None
    assert debts.fence(UNIT, READS[1], NOW) is not None


def test_a_dead_device_is_asked_the_same_fence_again_and_again() -> None:
    debts = Debts()
    debts.incur(UNIT, READS[1], is_fence=False, since=NOW)
    fences = []
    for _ in range(300):
        fence = debts.fence(UNIT, READS[1], NOW)
        assert fence is not None
        debts.incur(UNIT, fence, is_fence=True, since=NOW)
        fences.append(fence)
    assert set(fences) == {ReadRegisters(HOLDING, 0, 1)}


@pytest.mark.parametrize(
    "request_",
    [
        *READS,
        ReadRegisters(HOLDING, 65535, 1),
        ReadRegisters(HOLDING, 65411, 125),
        ReadBits(Function.READ_DISCRETE_INPUTS, 65535, 1),
        ReadBits(Function.READ_COILS, 0, 2000),
        WriteSingleCoil(65535, True),
        WriteSingleRegister(65535, 1),
        WriteMultipleCoils(3, (True,)),
        WriteMultipleRegisters(3, (1, 2)),
        MaskWriteRegister(3, 1, 2),
        ReadWriteMultipleRegisters(3, 2, 9, (1,)),
    ],
)
def test_a_fence_has_another_answer_than_what_it_stands_before(request_: Request) -> None:
    debts = Debts()
    debts.incur(UNIT, request_, is_fence=False, since=NOW)
    fence = debts.fence(UNIT, request_, NOW)
    assert isinstance(fence, ReadBits | ReadRegisters)
    assert (fence.function, answer_length(fence)) != (request_.function, answer_length(request_))


def test_where_nothing_can_tell_the_answers_apart_the_device_is_left_alone_for_a_while() -> None:
    debts = Debts()
    coil, discrete = ReadBits(Function.READ_COILS, 0, 1), ReadBits(Function.READ_DISCRETE_INPUTS, 0, 1)
    for request in (coil, discrete, ReadRegisters(HOLDING, 0, 1), ReadRegisters(INPUT, 0, 1)):
        debts.incur(UNIT, request, is_fence=False, since=NOW)
    fence = debts.fence(UNIT, coil, NOW)
    assert fence is not None
    assert not debts.settle(UNIT, fence, True, ExceptionResponse(fence.function, 2))
    with pytest.raises(Nonsense, match="can no longer be told"):
        debts.fence(UNIT, coil, NOW)
    assert debts.fence(UNIT, coil, NOW + FORGOTTEN_S) is None
    assert not debts.owes(UNIT, coil.function, 3)
