"""Modbus TCP in virtual time: whose answer is whose, of several under way, lost, late, twice or out of order.

Each answer's registers tell which request they answer, so that a value of another request shows exactly.
"""

import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from drivers.base import LineDown, Nonsense, Span, Unreachable
from drivers.modbus.tcp_dialogue import FLOOR_S, GIVEN_UP, Answer, Question, TcpDialogue, question, read_question
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_request
from protocols.modbus.pdu import ExceptionResponse, ReadBitsResponse, ReadRegistersResponse, WriteSingleRegister
from protocols.modbus.tcp import TcpDecoder, encode_tcp
from tests.drivers.modbus.faulty import proof

CEILING_S = 2.0
FOUR, BITS = Span("holding", 0, 4), Span("coil", 0, 32)
LOST: list[float] = []


class Server:
    """Hears requests and keeps their answers, until they are let go."""

    def __init__(self) -> None:
        self.heard: list[Frame] = []
        self._decoder = TcpDecoder()

    def hear(self, data: bytes) -> list[Frame]:
        """The requests in `data`."""
        self._decoder.receive_data(data)
        fresh: list[Frame] = []
        while (frame := self._decoder.next_frame()) is not NEED_DATA:
            fresh.append(frame)
        self.heard += fresh
        return fresh


def answer(number: int, frame: Frame) -> bytes:
    return encode_tcp(frame.reply(proof(number, parse_request(frame.pdu))))


def opened(depth: int = 1) -> TcpDialogue:
    dialogue = TcpDialogue("plc", depth)
    dialogue.opened()
    return dialogue


def asked(dialogue: TcpDialogue, questions: list[Question], now: float = 0.0) -> list[Frame]:
    dialogue.begin(now, questions, CEILING_S)
    return Server().hear(dialogue.take_output())


def answers(dialogue: TcpDialogue) -> list[Answer]:
    assert isinstance(dialogue.result, list)
    return dialogue.result


def data(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else getattr(answer, "data", b"")


def test_answers_find_their_requests_in_any_order() -> None:
    dialogue = opened(depth=3)
    frames = asked(dialogue, [read_question(unit, FOUR) for unit in (1, 2, 3)])
    assert len(frames) == 3
    for number in (2, 0, 1):
        dialogue.receive(0.1, answer(number, frames[number]))
    assert [data(one)[3] for one in answers(dialogue)] == [0, 1, 2]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_no_more_are_under_way_than_the_depth(depth: int) -> None:
    dialogue, server = opened(depth), Server()
    dialogue.begin(0.0, [read_question(1, FOUR)] * 12, CEILING_S)
    under_way = server.hear(dialogue.take_output())
    answered = 0
    while dialogue.result is None:
        assert len(under_way) == min(depth, 12 - answered)
        dialogue.receive(0.0, answer(answered, under_way.pop(0)))
        answered += 1
        under_way += server.hear(dialogue.take_output())
    assert [data(one)[3] for one in answers(dialogue)] == list(range(12))


def test_a_silent_unit_is_given_up_with_all_that_is_asked_of_it_and_the_others_are_not() -> None:
    dialogue, server = opened(depth=2), Server()
    dialogue.begin(0.0, [read_question(unit, FOUR) for unit in (1, 1, 2, 1)], CEILING_S)
    server.hear(dialogue.take_output())
    dialogue.wake(dialogue.wake_at)
    (frame,) = server.hear(dialogue.take_output())
    assert frame.unit == 2
    dialogue.receive(CEILING_S, answer(9, frame))
    assert [isinstance(one, Unreachable) for one in answers(dialogue)] == [True, True, False, True]
    assert str(answers(dialogue)[0]) == "plc unit 1: no answer within 2 s"


def test_an_answer_that_comes_late_is_dropped_and_teaches() -> None:
    dialogue = opened()
    for _ in range(9):
        (frame,) = asked(dialogue, [read_question(1, FOUR)])
        dialogue.receive(0.01, answer(0, frame))
    (frame,) = asked(dialogue, [read_question(1, FOUR)])
    assert dialogue.wake_at == FLOOR_S
    dialogue.wake(FLOOR_S)
    (behind,) = asked(dialogue, [read_question(1, FOUR)], FLOOR_S)
    dialogue.receive(0.5, answer(666, frame))
    assert dialogue.result is None
    dialogue.receive(0.6, answer(7, behind))
    assert data(answers(dialogue)[0])[3] == 7
    assert dialogue.late == 1
    asked(dialogue, [read_question(1, FOUR)], 1.0)
    assert dialogue.wake_at > 1.5


def test_a_transaction_that_was_given_up_is_not_used_again_before_its_answer_came() -> None:
    dialogue = opened()
    (lost,) = asked(dialogue, [read_question(1, FOUR)])
    dialogue.wake(CEILING_S)
    used = set()
    for _ in range(0x10000):
        (frame,) = asked(dialogue, [read_question(1, FOUR)])
        used.add(frame.transaction)
        dialogue.receive(0.0, answer(0, frame))
    assert used == set(range(0x10000)) - {lost.transaction}
    dialogue.receive(0.0, answer(666, lost))
    dialogue._transaction = lost.transaction - 1
    assert asked(dialogue, [read_question(1, FOUR)])[0].transaction == lost.transaction


def test_a_dead_device_does_not_use_up_the_transactions() -> None:
    dialogue = opened()
    for poll in range(3 * GIVEN_UP):
        asked(dialogue, [read_question(1, FOUR)], poll)
        dialogue.wake(poll + CEILING_S)
    assert len(dialogue._given_up) == GIVEN_UP


def test_bits_registers_writes_and_refusals_are_told_apart() -> None:
    dialogue = opened(depth=4)
    write = WriteSingleRegister(3, 7)
    frames = asked(
        dialogue, [read_question(1, BITS), read_question(1, FOUR), question(1, write), read_question(2, FOUR)]
    )
    replies = [answer(number, frame) for number, frame in enumerate(frames[:3])]
    replies.append(encode_tcp(frames[3].reply(ExceptionResponse(3, 2).encode())))
    dialogue.receive(0.0, b"".join(replies))
    assert answers(dialogue)[2:] == [write, ExceptionResponse(3, 2)]
    assert [len(data(one)) for one in answers(dialogue)[:2]] == [4, 8]


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Frame(2, proof(1, parse_request(bytes.fromhex("03 0000 0004")))), "plc unit 1: unit 2 answered"),
        (Frame(1, proof(1, parse_request(bytes.fromhex("03 0000 0003")))), "plc unit 1: .*8 bytes were asked"),
        (Frame(1, proof(1, parse_request(bytes.fromhex("04 0000 0004")))), "plc unit 1: function 0x03 was asked"),
    ],
)
def test_an_answer_to_something_else_is_nonsense(reply: Frame, complaint: str) -> None:
    dialogue = opened()
    (frame,) = asked(dialogue, [read_question(1, FOUR)])
    dialogue.receive(0.0, encode_tcp(Frame(reply.unit, reply.pdu, frame.transaction)))
    (told,) = answers(dialogue)
    assert isinstance(told, Nonsense)
    assert re.match(complaint, str(told))


def test_a_lost_connection_ends_all_that_is_under_way_and_is_told_until_it_is_opened() -> None:
    dialogue = opened(depth=2)
    asked(dialogue, [read_question(1, FOUR)] * 3)
    dialogue.lost("connection lost: reset")
    assert type(dialogue.result) is LineDown
    assert asked(dialogue, [read_question(1, FOUR)]) == []
    assert str(dialogue.result) == "plc: connection lost: reset"
    dialogue.opened()
    (frame,) = asked(dialogue, [read_question(1, FOUR)])
    dialogue.receive(0.0, answer(1, frame))
    assert data(answers(dialogue)[0])[3] == 1


def test_what_was_abandoned_is_late_when_it_comes() -> None:
    dialogue = opened(depth=2)
    frames = asked(dialogue, [read_question(1, FOUR)] * 2)
    dialogue.abandon()
    (behind,) = asked(dialogue, [read_question(1, FOUR)])
    for number, frame in enumerate((*frames, behind)):
        dialogue.receive(0.0, answer(number, frame))
    assert data(answers(dialogue)[0])[3] == 2
    assert dialogue.late == 2


@pytest.mark.parametrize(("seed", "depth"), [(0, 1), (1, 4), (2, 16)])
def test_whatever_is_lost_late_or_sent_twice_no_answer_is_taken_for_another(seed: int, depth: int) -> None:
    choose, now, number, ends = random.Random(seed), 0.0, 0, Counter[str]()
    dialogue, server = opened(depth), Server()
    coming: list[tuple[float, bytes]] = []
    numbers: dict[int, int] = {}  # the latest request by its place in the batch
    for _ in range(1500):
        spans = [choose.choice([FOUR, BITS, Span("holding", 9, 4)]) for _ in range(choose.randrange(1, 2 * depth + 1))]
        questions = [read_question(choose.randrange(1, 4), span) for span in spans]
        dialogue.begin(now, questions, CEILING_S)
        numbers.clear()
        while dialogue.result is None:
            for frame in server.hear(dialogue.take_output()):
                number += 1
                numbers[dialogue._pending[frame.transaction]] = number
                times = choose.choices([[0.01], [0.02, 0.03], LOST, [choose.uniform(0, 3 * CEILING_S)]], [90, 3, 3, 4])
                coming += [(now + after, answer(number, frame)) for after in times[0]]
            coming.sort()
            if coming and coming[0][0] <= dialogue.wake_at:
                at, reply = coming.pop(0)
                now = max(now, at)
                cuts = [0, choose.randrange(len(reply)), len(reply)] if choose.random() < 0.2 else [0, len(reply)]
                for begin, end in pairwise(cuts):
                    dialogue.receive(now, reply[begin:end])
            else:
                now = max(now, dialogue.wake_at)
                dialogue.wake(now)
        dialogue.take_output()
        for place, (one, asked_) in enumerate(zip(answers(dialogue), questions, strict=True)):
            good = isinstance(one, bytes | ReadRegistersResponse | ReadBitsResponse)
            ends["good" if good else type(one).__name__] += 1
            if good:
                assert data(one) == proof(numbers[place], asked_.request)[2:]
    assert ends["good"] > 0.8 * ends.total()
    assert dialogue.late > 20
