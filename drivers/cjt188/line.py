"""CJ/T 188 on a byte stream."""

import logging
from decimal import Decimal

from drivers.base import Cost, DeviceError, Model, NotSent, Reading, Refused, Span
from drivers.transport.exchange import Exchange
from drivers.transport.stream import ByteStream
from protocols.cjt188.frame import HEADER, MOST_DATA, WAKE_BYTES, Frame, FrameDecoder, encode_frame
from protocols.cjt188.messages import Data, Read, Reply, parse_reply
from protocols.errors import RemoteProtocolError
from protocols.sum_frames import TAIL

log = logging.getLogger(__name__)

PAUSE_S = 0.5  # as in DL/T 645; from memory
REQUEST = WAKE_BYTES + HEADER + 3 + TAIL  # with identifier and number
LONGEST = WAKE_BYTES + HEADER + MOST_DATA + TAIL


class Cjt188Line:
    """Requests are numbered and answers repeat the number, so a late one is known for certain, until 256 later.

    Whether a meter wants its identifier as 1F 90 or as 90 1F shows when it does not answer or refuses the one: the
    other order is tried then, and what was answered is kept. `late` counts answers that came after their request was
    given up.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.where = stream.where
        self.late = 0
        self._exchange = Exchange[Frame](stream, FrameDecoder(), PAUSE_S)
        self._serial = 0
        self._low_first: dict[str, bool] = {}
        self._settled: set[str] = set()  # meters that have answered in the order that is kept
        self._owed: dict[str, set[int]] = {}  # numbers whose answers may still come, by meter

    async def open(self) -> None:
        await self._exchange.open()

    async def close(self) -> None:
        await self._exchange.close()

    def cost(self, unit: str, space: str) -> Cost:  # noqa: ARG002 - one speed for all
        return Cost(self._exchange.wire_ms(REQUEST, LONGEST), 0.0)

    async def read(self, unit: str, span: Span, timeout: float) -> bytes:
        try:
            reply = await self._ask(unit, span, timeout)
        except DeviceError:
            self._turn(unit)
            raise
        if isinstance(reply, Data):
            self._settled.add(unit)
            return reply.data
        self._turn(unit)
        # Not 2, which would be for good: a meter has but one record.
        raise Refused(f"{self._of(unit)}: {reply.reason}", 1)

    async def write(self, unit: str, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:  # noqa: ARG002
        """A meter is only read: no template has a writable channel."""
        raise NotSent(f"{self._of(unit)}: {model.channels[channel].name} cannot be written; nothing was sent")

    async def _ask(self, unit: str, span: Span, timeout: float) -> Reply:
        meter_type = int(span.space, 16)
        self._serial = (self._serial + 1) & 0xFF
        request = Read(span.address, self._serial, self._low_first.get(unit, True))
        owed = self._owed.setdefault(unit, set())
        owed.discard(request.serial)

        def accept(frame: Frame) -> Reply | None:
            return self._judge(frame, meter_type, unit, request)

        sent = encode_frame(request.frame(meter_type, unit))
        try:
            reply: Reply = await self._exchange.ask(self._of(unit), sent, LONGEST, accept, timeout)
        except BaseException:  # a request that was cancelled is owed its answer too
            owed.add(request.serial)
            raise
        owed.clear()
        return reply

    def _judge(self, frame: Frame, meter_type: int, unit: str, request: Read) -> Reply | None:
        """The answer to `request`; None for one that is owed from before. Raises RemoteProtocolError for another."""
        if (frame.type, frame.address) != (meter_type, unit):
            raise RemoteProtocolError(f"meter {frame.address} of type {frame.type:02X} answered")
        try:
            return parse_reply(frame, request)
        except RemoteProtocolError:
            if any(_answers(frame, request, serial) for serial in self._owed[unit]):
                self.late += 1
                log.debug("%s: an answer came late and was dropped", self._of(unit))
                return None
            raise

    def _turn(self, unit: str) -> None:
        """Tries the other order the next time, unless this one has been answered before."""
        if unit not in self._settled:
            self._low_first[unit] = not self._low_first.get(unit, True)

    def _of(self, unit: str) -> str:
        return f"{self.where} meter {unit}"


def _answers(frame: Frame, request: Read, serial: int) -> bool:
    try:
        parse_reply(frame, Read(request.di, serial, request.low_first))
    except RemoteProtocolError:
        return False
    return True
