"""Modbus RTU without the line: which frame answers which request, when to ask again, how long to wait. Pure.

docs/protocols/modbus.md, "Answers that come late", says what is certain here and what is not.
"""

import logging
from typing import Any, NamedTuple

from drivers.base import DeviceError, LineDown, Nonsense, Unreachable
from drivers.modbus.copies import Copies
from drivers.modbus.debts import Debts, answer_length
from drivers.transport.patience import Patience
from drivers.transport.transaction import Asked, Transaction
from drivers.transport.wire import Wire
from protocols.errors import RemoteProtocolError
from protocols.modbus.codes import EXCEPTION_BIT
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_response
from protocols.modbus.pdu import ExceptionResponse, MaskWriteRegister, ReadBits, ReadRegisters, Request, Response
from protocols.modbus.pdu import WriteSingleCoil as Coil
from protocols.modbus.pdu import WriteSingleRegister as Register
from protocols.modbus.rtu import MIN_ADU, RtuResponseDecoder, encode_rtu

log = logging.getLogger(__name__)

OVERHEAD = 3  # unit and CRC around a PDU
FLOOR_S = 0.1  # waited at least: a controller that writes to its flash, an adapter that is woken
HOLD_S = 0.02  # at least, for the answer behind one that may be a copy
READS = (ReadBits, ReadRegisters)
MIRRORED = (Coil, Register, MaskWriteRegister)


class _Goal(NamedTuple):
    unit: int
    request: Request
    timeout: float


class _Step(NamedTuple):
    """What is asked now: the goal's request, or a fence before it."""

    request: Request
    is_fence: bool


class RtuDialogue:
    """A drivers.transport.carrier.Machine; `result` is the Response to what begin() was given.

    `late` counts answers that came after their request was given up, `copies.seen` those that came twice.
    """

    def __init__(self, wire: Wire) -> None:
        self.result: Any | DeviceError | None = None
        self.late = 0
        self.copies = Copies()
        self._where, self._char_s = wire.where, wire.char_s
        self._decoder = RtuResponseDecoder()
        self._transaction = Transaction(wire, self._decoder, 0.0, self._hear_stray)
        self._debts = Debts()
        self._patience: dict[int, Patience] = {}
        self._now = 0.0
        self._goal = _Goal(0, Coil(0, False), 0.0)
        self._step: _Step | None = None
        self._held: bytes | None = None  # a PDU that answers, unless it is a copy
        self._doubted = False  # so the goal's request is asked a second time, behind a fence
        self._last: _Goal | None = None
        self._stray = RtuResponseDecoder()
        self._strays = 0  # bytes since an answer that are no frame we know of

    @property
    def wake_at(self) -> float:
        return self._transaction.wake_at

    def opened(self) -> None:
        self._transaction.opened()

    def lost(self, cause: str) -> None:
        self._transaction.lost(cause)
        self._follow()

    def take_output(self) -> bytes:
        return self._transaction.take_output()

    def receive(self, now: float, data: bytes) -> None:
        self._now = now
        self._transaction.receive(now, data)
        self._follow()

    def wake(self, now: float) -> None:
        self._now = now
        self._transaction.wake(now)
        self._follow()

    def abandon(self) -> None:
        self._give_up()
        self._transaction.abandon()

    def begin(self, now: float, unit: int, request: Request, timeout: float) -> None:
        self._now = now
        self.result, self._held, self._doubted = None, None, False
        self._goal = _Goal(unit, request, timeout)
        if self._strays >= MIN_ADU and self._last is not None:
            self._incur_stray()
        self._strays = 0
        self._stray.forget()
        self._advance()

    def turnaround_s(self, unit: int) -> float | None:
        """What the unit takes between request and answer, on average; None until it answered."""
        patience = self._patience.get(unit)
        return None if patience is None else patience.mean_s

    def _of(self, unit: int) -> Patience:
        return self._patience.setdefault(unit, Patience(FLOOR_S))

    def _advance(self) -> None:
        """Towards the goal: by a fence, as long as one is needed."""
        unit, request, _ = self._goal
        try:
            fence = self._debts.fence(unit, request, self._now, self.copies.shape(unit, self._now))
        except Nonsense as error:
            self.result = error
        else:
            self._ask(fence or request, fence is not None)

    def _ask(self, request: Request, is_fence: bool) -> None:
        unit, _, ceiling = self._goal
        self._step = _Step(request, is_fence)
        who = f"{self._where} unit {unit}"
        # A write may take a device longer than any read has.
        timeout = self._of(unit).allowed(ceiling) if isinstance(request, READS) else ceiling
        adu = encode_rtu(Frame(unit, request.encode()))
        longest = answer_length(request) + OVERHEAD
        self._decoder.expect(unit, request.function)
        asked = Asked(who, adu, longest, self._judge, timeout, isinstance(request, MIRRORED))
        self._transaction.begin(self._now, asked)
        self._follow()

    def _follow(self) -> None:
        """Goes on if the step is done."""
        step, result = self._step, self._transaction.result
        if step is None or result is None:
            return
        unit = self._goal.unit
        if isinstance(result, DeviceError):
            silent = isinstance(result, Unreachable) and not isinstance(result, LineDown)
            if silent and self._held is not None and self._debts.ignores_fences(unit):
                self._take_held(self._held, step.request)
                return
            self._give_up()
            if silent and self._held is not None:
                self._held, self._doubted = None, True
                self._advance()
                return
            if silent and isinstance(step.request, READS):
                self._of(unit).silent()
            self.result = result
            return
        self._step = None
        response, certain = result
        if not step.is_fence:
            if self._doubted:
                self.copies.proved(unit)
            self.result = response
        elif certain:
            self._ask(self._goal.request, False)
        else:
            self._advance()

    def _take_held(self, pdu: bytes, request: Request) -> None:
        """Nothing came behind what may be a copy, and no fence could tell."""
        unit, self._step, self._held = self._goal.unit, None, None
        self._last, self._strays = self._goal._replace(request=request), 0
        self.copies.heard(unit, pdu, self._now)
        self.result = response = parse_response(pdu, request)
        self._debts.settle(unit, request, False, response)

    def _give_up(self) -> None:
        """The step that is under way; its answer is owed if it went out."""
        step, self._step = self._step, None
        sent_at = self._transaction.sent_at
        if step is not None and sent_at is not None:
            self._last, self._strays = self._goal._replace(request=step.request), 0
            self._debts.incur(self._goal.unit, step.request, step.is_fence, sent_at)

    def _judge(self, frame: Frame) -> tuple[Response, bool] | None:
        """The response, and whether it is certain to be this request's; None for what is passed over."""
        assert self._step is not None  # noqa: S101 - a transaction is under way
        request, is_fence = self._step
        unit = self._goal.unit
        try:
            if frame.unit != unit:
                raise RemoteProtocolError(f"unit {frame.unit} answered")
            response = parse_response(frame.pdu, request)
        except RemoteProtocolError as error:
            if self._is_known(frame):
                return None
            raise Nonsense(f"{self._where} unit {unit}: {error}") from None
        if not is_fence:
            # An exception has one length only: it may be that of a fence which was answered before, sent twice.
            refused = isinstance(response, ExceptionResponse)
            if refused and self._debts.owes(unit, request.function, len(frame.pdu)) and self._is_known(frame):
                return None
            if not self._believes(frame.pdu, request):
                return None
        self._last, self._strays = self._goal._replace(request=request), 0
        self._took(unit, self._transaction.sent_at, frame, isinstance(request, READS))
        return response, self._debts.settle(unit, request, is_fence, response)

    def _believes(self, pdu: bytes, request: Request) -> bool:
        """Whether this is no copy of the answer before; where it may be, the next moments tell."""
        unit, now = self._goal.unit, self._now
        if self._held is not None:
            if pdu == self._held:
                return False
            self.copies.saw(unit, now)
            return True
        if isinstance(request, READS) and self.copies.is_doubtful(unit, pdu, now):
            self._held = pdu
            self._transaction.expect_by(now + max(HOLD_S, 2 * (self.turnaround_s(unit) or 0.0)))
            return False
        return True

    def _is_known(self, frame: Frame) -> bool:
        """Whether a frame that answers nothing now is one that came late, or twice."""
        unit, pdu, now = frame.unit, frame.pdu, self._now
        function = pdu[0] & ~EXCEPTION_BIT
        owed = self._debts.owes(unit, function, len(pdu))
        if self.copies.is_copy(unit, pdu, now):
            if not owed:
                self.copies.saw(unit, now)
            return True
        if not owed:
            return False
        self.late += 1
        log.debug("%s unit %d: an answer came late and was dropped", self._where, unit)
        one = self._debts.came(unit, function, len(pdu))
        self._took(unit, None if one is None else one.since, frame, True)
        return True

    def _took(self, unit: int, since: float | None, frame: Frame, teaches: bool) -> None:
        self.copies.heard(unit, frame.pdu, self._now)
        if since is not None and teaches:
            self._of(unit).answered(self._now - since - (len(frame.pdu) + OVERHEAD) * self._char_s)

    def _hear_stray(self, heard: bytes | Frame) -> bool:
        """What comes while nothing is asked, or behind an answer."""
        frames = [heard] if isinstance(heard, Frame) else self._frames_of(heard)
        for frame in frames:
            self._strays -= 0 if isinstance(heard, Frame) else len(frame.pdu) + OVERHEAD
            if not self._is_known(frame) and self._last is not None:
                self._incur_stray()
        # A byte or two is what a transceiver makes when it is switched off behind a frame.
        return bool(frames) or self._strays >= MIN_ADU

    def _frames_of(self, data: bytes) -> list[Frame]:
        self._strays += len(data)
        self._stray.receive_data(data)
        frames: list[Frame] = []
        while (frame := self._stray.next_frame()) is not NEED_DATA:
            frames.append(frame)
        return frames

    def _incur_stray(self) -> None:
        """A frame, or as many bytes as one has, and nothing asked: the answers may be one behind the requests. The next
        request to that unit is fenced, which brings both in step again."""
        assert self._last is not None  # noqa: S101 - its callers asked
        log.debug("%s: an answer that nobody asked for, after unit %d", self._where, self._last.unit)
        self._debts.incur(self._last.unit, self._last.request, is_fence=False, since=self._now)
