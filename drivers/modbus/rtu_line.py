"""Modbus RTU on a byte stream: one request at a time, silence between frames, no answer taken for another's."""

import asyncio
import logging

from drivers.base import Cost, Nonsense
from drivers.modbus.debts import Debts, answer_length
from drivers.modbus.line import ModbusLine
from drivers.modbus.registers import Table
from drivers.transport.exchange import Exchange
from drivers.transport.stream import ByteStream
from protocols.errors import RemoteProtocolError
from protocols.modbus.codes import EXCEPTION_BIT
from protocols.modbus.frame import Frame
from protocols.modbus.parse import parse_response
from protocols.modbus.pdu import Request, Response
from protocols.modbus.rtu import MIN_ADU, RtuResponseDecoder, encode_rtu

log = logging.getLogger(__name__)

OVERHEAD = 3  # unit and CRC around a PDU
READ_REQUEST, READ_RESPONSE = 8, 5  # bytes of an ADU; a response without its data


class RtuLine(ModbusLine):
    """`timeout` counts from when the request has left the wire, and the answer's own time on the wire is added.

    docs/protocols/modbus.md, "Answers that come late", says what is certain here and what is not.
    """

    def __init__(self, stream: ByteStream) -> None:
        super().__init__(stream.where)
        self._decoder = RtuResponseDecoder()
        self._exchanges = Exchange[Frame](stream, self._decoder, 0.0, self._hear_unasked)
        self._debts = Debts()
        self._unasked = 0  # bytes that came since an answer, with nothing asked
        self._last: tuple[int, Request] | None = None
        self.late = 0  # answers that came after their request was given up

    async def open(self) -> None:
        await self._exchanges.open()

    async def close(self) -> None:
        await self._exchanges.close()

    def cost(self, unit: int, space: str) -> Cost:  # noqa: ARG002 - one speed for all
        exchanges, bits = self._exchanges, Table(space).is_bits
        return Cost(exchanges.wire_ms(READ_REQUEST, READ_RESPONSE), exchanges.bytes_ms(1 / 8 if bits else 2))

    async def exchange(self, unit: int, request: Request, timeout: float) -> Response:
        loop, certain = asyncio.get_running_loop(), False
        while not certain and (fence := self._debts.fence(unit, request, loop.time())) is not None:
            _, certain = await self._exchange(unit, fence, timeout, is_fence=True)
        response, _ = await self._exchange(unit, request, timeout, is_fence=False)
        return response

    async def _exchange(self, unit: int, request: Request, timeout: float, is_fence: bool) -> tuple[Response, bool]:
        def accept(frame: Frame) -> tuple[Response, bool] | None:
            judged = self._judge(frame, unit, request, is_fence)
            if judged is not None:
                self._last, self._unasked = (unit, request), 0
            return judged

        adu = encode_rtu(Frame(unit, request.encode()))
        self._decoder.expect(unit, request.function)
        try:
            return await self._exchanges.ask(self.of(unit), adu, answer_length(request) + OVERHEAD, accept, timeout)
        except BaseException:
            if self._exchanges.sent:
                self._last, self._unasked = (unit, request), 0
                self._debts.incur(unit, request, is_fence, asyncio.get_running_loop().time())
            raise

    def _judge(self, frame: Frame, unit: int, request: Request, is_fence: bool) -> tuple[Response, bool] | None:
        """The response, and whether it is certain to be this request's; None for one that comes late."""
        try:
            if frame.unit != unit:
                raise RemoteProtocolError(f"unit {frame.unit} answered")
            response = parse_response(frame.pdu, request)
            return response, self._debts.settle(unit, request, is_fence, response)
        except RemoteProtocolError as error:
            if self._debts.owes(frame.unit, frame.pdu[0] & ~EXCEPTION_BIT, len(frame.pdu)):
                self.late += 1
                log.debug("%s unit %d: an answer came late and was dropped", self.where, frame.unit)
                return None
            raise Nonsense(f"{self.of(unit)}: {error}") from None

    def _hear_unasked(self, heard: bytes | Frame) -> bool:
        """As many bytes as a frame has, and nothing asked: the answers may be one behind the requests.

        So it is with a device that answers twice. The next request to it is fenced, which brings both in step again.
        """
        self._unasked += len(heard.pdu) + OVERHEAD if isinstance(heard, Frame) else len(heard)
        # A byte or two is what a transceiver makes when it is switched off behind a frame.
        if self._unasked < MIN_ADU or self._last is None:
            return False
        log.debug("%s: %d bytes that nobody asked for, after unit %d", self.where, self._unasked, self._last[0])
        self._debts.incur(*self._last, is_fence=False, now=asyncio.get_running_loop().time())
        return True
