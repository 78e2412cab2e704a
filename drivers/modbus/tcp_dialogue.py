"""Modbus TCP without the connection: which answer belongs to which request, and how long to wait. Pure.

Each request has a transaction of its own, so an answer that comes late is known as such. One that was given up keeps
its transaction until its answer came, or GIVEN_UP others were given up since: at 40,000 requests a second all 65,536
come round in 1.6 s.
"""

import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from drivers.base import DeviceError, LineDown, Nonsense, Span, Unreachable
from drivers.modbus.line import read_request
from drivers.transport.patience import Patience
from protocols.errors import RemoteProtocolError
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_response
from protocols.modbus.pdu import ReadBits, ReadRegisters, Request, Response
from protocols.modbus.tcp import HEADER_BYTES, TcpDecoder, encode_tcp

log = logging.getLogger(__name__)

FLOOR_S = 0.3  # waited at least: the kernel sends a lost segment again after 0.2 s
GIVEN_UP = 1024
READS = (ReadBits, ReadRegisters)


class Question(NamedTuple):
    """`wire` is the frame without its transaction, `head` what of a good answer stands between transaction and data,
    and `size` its whole length; `head` is empty where no answer is known beforehand."""

    unit: int
    request: Request
    wire: bytes
    head: bytes = b""
    size: int = 0


Answer: TypeAlias = bytes | Response | DeviceError  # bytes are the data of a read


@lru_cache(maxsize=4096)
def read_question(unit: int, span: Span) -> Question:
    request = read_request(span)
    count = (span.length + 7) // 8 if isinstance(request, ReadBits) else 2 * span.length
    head = encode_tcp(Frame(unit, bytes((request.function, count)) + bytes(count)))[2 : HEADER_BYTES + 2]
    return question(unit, request)._replace(head=head, size=HEADER_BYTES + 2 + count)


def question(unit: int, request: Request) -> Question:
    return Question(unit, request, encode_tcp(Frame(unit, request.encode()))[2:])


class TcpDialogue:
    """A drivers.transport.carrier.Machine; `result` has an Answer for each of what begin() was given.

    At most `depth` requests are under way at once: 1 unless told, for many devices drop the second of two.
    """

    def __init__(self, where: str, depth: int = 1) -> None:
        self.result: list[Answer] | DeviceError | None = None
        self.wake_at = math.inf
        self.late = 0  # answers that came after their request was given up
        self._where = where
        self._depth = depth
        self._down = "not connected"
        self._decoder = TcpDecoder()
        self._transaction = 0
        self._output = b""
        self._timeout = self._allowed = 0.0
        self._questions: Sequence[Question] = ()
        self._answers: list[Answer | None] = []
        self._missing = 0
        self._next = 0  # the first of the questions that has not been sent
        self._pending: dict[int, int] = {}  # by transaction, which question; the oldest first
        self._given_up: dict[int, tuple[int, float]] = {}  # by transaction, whose answer it would be, and since when
        self._went_on_at = 0.0  # when a request was sent with nothing under way, or an answer came
        self._patience: dict[int, Patience] = {}

    def opened(self) -> None:
        self._down = ""
        self._decoder = TcpDecoder()
        self._given_up.clear()

    def lost(self, cause: str) -> None:
        self._down = self._down or cause
        self._pending.clear()
        self._end(LineDown(f"{self._where}: {self._down}"))

    def begin(self, now: float, questions: Sequence[Question], timeout: float) -> None:
        self.result = None
        self._questions, self._timeout = questions, timeout
        self._missing, self._next = len(questions), 0
        self._answers = [None] * len(questions)
        if self._down:
            self._end(LineDown(f"{self._where}: {self._down}"))
        else:
            self._went_on_at = now
            self._send()

    def abandon(self) -> None:
        """Nobody waits any more. The answers may still come."""
        for transaction in list(self._pending):
            self._give_up(transaction)
        self._missing = 0
        self.wake_at = math.inf

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def turnaround_s(self, unit: int) -> float | None:
        """What the unit takes between request and answer, on average; None until it answered."""
        patience = self._patience.get(unit)
        return None if patience is None else patience.mean_s

    def receive(self, now: float, data: bytes) -> None:
        at = self._take_expected(now, data) if self._decoder.is_empty else 0
        if at < len(data):
            self._decoder.receive_data(data[at:])
            try:
                while (frame := self._decoder.next_frame()) is not NEED_DATA:
                    self._take(now, frame)
            except RemoteProtocolError as error:
                self._down = str(error)
                self._pending.clear()
                self._end(Nonsense(f"{self._where}: {error}"))
        if self._missing:
            self._send()

    def wake(self, now: float) -> None:
        """The unit that owes the oldest answer is given up, with all that is asked of it."""
        if not self._missing or now < self.wake_at:
            return
        unit = self._questions[next(iter(self._pending.values()))].unit
        for transaction in [key for key, at in self._pending.items() if self._questions[at].unit == unit]:
            self._give_up(transaction)
        patience = self._of(unit)
        silent = Unreachable(f"{self._where} unit {unit}: no answer within {self._allowed:.3g} s")
        for at, asked in enumerate(self._questions):
            if asked.unit == unit and self._answers[at] is None:
                self._answer(at, silent)
        patience.silent()
        self._went_on_at = now
        if self._missing:
            self._send()

    def _take_expected(self, now: float, data: bytes) -> int:
        """Takes the good answers at the head of `data`, nearly all there ever are; how many bytes they had."""
        at, pending, head_end = 0, self._pending, HEADER_BYTES + 2
        while (which := pending.get(int.from_bytes(data[at : at + 2], "big"))) is not None:
            asked = self._questions[which]
            end = at + asked.size
            if end > len(data) or not asked.head or data[at + 2 : at + head_end] != asked.head:
                break
            del pending[int.from_bytes(data[at : at + 2], "big")]
            self._of(asked.unit).answered(now - self._went_on_at)
            self._went_on_at = now
            self._answer(which, data[at + head_end : end])
            at = end
        return at

    def _take(self, now: float, frame: Frame) -> None:
        which = self._pending.pop(frame.transaction, None)
        if which is None:
            self.late += 1
            if (owed := self._given_up.pop(frame.transaction, None)) is not None:
                self._of(owed[0]).answered(now - owed[1])
            log.debug("%s unit %d: answer of transaction %d came late", self._where, frame.unit, frame.transaction)
            return
        asked = self._questions[which]
        where = f"{self._where} unit {asked.unit}"
        answer: Answer
        if frame.unit != asked.unit:
            answer = Nonsense(f"{where}: unit {frame.unit} answered")
        else:
            try:
                answer = parse_response(frame.pdu, asked.request)
            except RemoteProtocolError as error:
                answer = Nonsense(f"{where}: {error}")
            else:
                self._of(asked.unit).answered(now - self._went_on_at)
        self._went_on_at = now
        self._answer(which, answer)

    def _send(self) -> None:
        """As many as may be under way; wakes when the oldest has waited long enough."""
        parts = []
        while len(self._pending) < self._depth and self._next < len(self._questions):
            at, self._next = self._next, self._next + 1
            if self._answers[at] is None:
                transaction = self._transaction = self._free_transaction()
                self._pending[transaction] = at
                parts += [transaction.to_bytes(2, "big"), self._questions[at].wire]
        self._output += b"".join(parts)
        oldest = self._questions[next(iter(self._pending.values()))]
        # A write may take a device longer than any read has.
        read = isinstance(oldest.request, READS)
        self._allowed = self._of(oldest.unit).allowed(self._timeout) if read else self._timeout
        self.wake_at = self._went_on_at + self._allowed

    def _free_transaction(self) -> int:
        transaction = (self._transaction + 1) & 0xFFFF
        while transaction in self._given_up:
            transaction = (transaction + 1) & 0xFFFF
        return transaction

    def _give_up(self, transaction: int) -> None:
        asked = self._questions[self._pending.pop(transaction)]
        self._given_up[transaction] = asked.unit, self._went_on_at
        if len(self._given_up) > GIVEN_UP:
            del self._given_up[next(iter(self._given_up))]

    def _of(self, unit: int) -> Patience:
        patience = self._patience.get(unit)
        if patience is None:
            patience = self._patience[unit] = Patience(FLOOR_S)
        return patience

    def _answer(self, at: int, answer: Answer) -> None:
        self._answers[at] = answer
        self._missing -= 1
        if not self._missing:
            self._end([answer for answer in self._answers if answer is not None])

    def _end(self, result: list[Answer] | DeviceError) -> None:
        self._missing, self.result, self.wake_at = 0, result, math.inf
