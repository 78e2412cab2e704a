"""Modbus RTU on a byte stream: one request at a time, silence between frames, no answer taken for another's."""

import asyncio
import logging
from dataclasses import dataclass

from drivers.base import DeviceError, LineDown, Nonsense, Unreachable
from drivers.modbus.debts import Debts, answer_length
from drivers.modbus.line import ModbusLine
from drivers.transport.stream import ByteStream
from protocols.errors import RemoteProtocolError
from protocols.modbus.codes import EXCEPTION_BIT
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_response
from protocols.modbus.pdu import Request, Response
from protocols.modbus.rtu import MIN_ADU, RtuResponseDecoder, encode_rtu

log = logging.getLogger(__name__)

DRAIN_QUIET_S = 0.03  # after a fault: longer than the 16 ms in which a USB adapter hands over what it has
DRAIN_MOST_S = 1.0
OVERHEAD = 3  # unit and CRC around a PDU


@dataclass(frozen=True)
class _Asked:
    unit: int
    request: Request
    is_fence: bool
    answer: asyncio.Future[tuple[Response, bool]]


class RtuLine(ModbusLine):
    """`timeout` counts from when the request has left the wire, and the answer's own time on the wire is added.

    docs/protocols/modbus.md, "Answers that come late", says what is certain here and what is not.
    """

    def __init__(self, stream: ByteStream) -> None:
        super().__init__(stream.where)
        self._stream = stream
        self._decoder = RtuResponseDecoder()
        self._debts = Debts()
        self._asked: _Asked | None = None
        self._unasked = 0  # bytes that came since an answer, with nothing asked
        self._last: tuple[int, Request] | None = None
        self._down = "not open"
        self._disturbed = False  # something went wrong: the line is listened to before it is used again
        self._active_at = 0.0  # when a byte was last on the wire
        self._quiet: asyncio.TimerHandle | None = None
        self.late = 0  # answers that came after their request was given up

    async def open(self) -> None:
        await self.close()
        await self._stream.open(self._receive, self._lose)
        self._down = ""
        self._disturbed = True

    async def close(self) -> None:
        self._down = self._down or "closed"
        self._fail(LineDown(f"{self.where}: {self._down}"))
        await self._stream.close()

    async def exchange(self, unit: int, request: Request, timeout: float) -> Response:
        loop, certain = asyncio.get_running_loop(), False
        while not certain and (fence := self._debts.fence(unit, request, loop.time())) is not None:
            _, certain = await self._exchange(unit, fence, timeout, is_fence=True)
        response, _ = await self._exchange(unit, request, timeout, is_fence=False)
        return response

    async def _exchange(self, unit: int, request: Request, timeout: float, is_fence: bool) -> tuple[Response, bool]:
        await self._settle()
        if self._down:
            raise LineDown(f"{self.where}: {self._down}")
        loop = asyncio.get_running_loop()
        adu = encode_rtu(Frame(unit, request.encode()))
        asked = self._asked = _Asked(unit, request, is_fence, loop.create_future())
        self._last, self._unasked = (unit, request), 0
        self._decoder.expect(unit, request.function)
        sent_s = len(adu) * self._stream.char_s
        self._active_at = loop.time() + sent_s
        allowed = sent_s + timeout + (answer_length(request) + OVERHEAD) * self._stream.char_s
        timer = loop.call_later(allowed, self._give_up, asked, timeout)
        try:
            self._stream.write(adu)
            return await asked.answer
        except BaseException:
            self._disturbed = True
            self._debts.incur(unit, request, is_fence, loop.time())
            raise
        finally:
            timer.cancel()
            self._asked = None
            self._stop_listening_for_quiet()

    async def _settle(self) -> None:
        """Waits for the silence before a frame; after a fault, until the line has been quiet for longer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self._down:
            silence = max(self._stream.idle_s, DRAIN_QUIET_S) if self._disturbed else self._stream.idle_s
            rest = self._active_at + silence - loop.time()
            if rest <= 0:
                self._disturbed = False
                return
            if loop.time() - began > DRAIN_MOST_S:
                raise Nonsense(f"{self.where}: the line has not been quiet for {DRAIN_MOST_S:g} s; who is talking?")
            await asyncio.sleep(rest)

    def _receive(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._active_at = loop.time()
        asked = self._asked
        if asked is None:
            self._hear_unasked(len(data))
            return
        self._decoder.receive_data(data)
        self._look_for_frames()
        self._stop_listening_for_quiet()
        if self._stream.quiet_s is not None and not asked.answer.done():
            self._quiet = loop.call_later(self._stream.quiet_s, self._fall_quiet)

    def _fall_quiet(self) -> None:
        self._decoder.line_idle()
        self._look_for_frames()

    def _stop_listening_for_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None

    def _give_up(self, asked: _Asked, timeout: float) -> None:
        self._fall_quiet()
        self._fail(Unreachable(f"{self.of(asked.unit)}: no answer within {timeout:g} s"))

    def _look_for_frames(self) -> None:
        try:
            while (frame := self._decoder.next_frame()) is not NEED_DATA:
                self._take(frame)
        except RemoteProtocolError as error:
            self._fail(Nonsense(f"{self.where}: {error}"))

    def _take(self, frame: Frame) -> None:
        asked = self._asked
        if asked is None or asked.answer.done():
            self._hear_unasked(len(frame.pdu) + OVERHEAD)
            return
        try:
            if frame.unit != asked.unit:
                raise RemoteProtocolError(f"unit {frame.unit} answered")
            response = parse_response(frame.pdu, asked.request)
            certain = self._debts.settle(asked.unit, asked.request, asked.is_fence, response)
            asked.answer.set_result((response, certain))
        except RemoteProtocolError as error:
            if self._debts.owes(frame.unit, frame.pdu[0] & ~EXCEPTION_BIT, len(frame.pdu)):
                self.late += 1
                log.debug("%s unit %d: an answer came late and was dropped", self.where, frame.unit)
                return
            self._fail(Nonsense(f"{self.of(asked.unit)}: {error}"))

    def _hear_unasked(self, count: int) -> None:
        """As many bytes as a frame has, and nothing asked: the answers may be one behind the requests.

        So it is with a device that answers twice. The next request to it is fenced, which brings both in step again.
        """
        self._unasked += count
        # A byte or two is what a transceiver makes when it is switched off behind a frame.
        if self._unasked >= MIN_ADU and self._last is not None:
            self._disturbed = True
            log.debug("%s: %d bytes that nobody asked for, after unit %d", self.where, self._unasked, self._last[0])
            self._debts.incur(*self._last, is_fence=False, now=self._active_at)

    def _lose(self, cause: str) -> None:
        self._down = cause
        self._fail(LineDown(f"{self.where}: {cause}"))

    def _fail(self, error: DeviceError) -> None:
        if self._asked is not None and not self._asked.answer.done():
            self._asked.answer.set_exception(error)
