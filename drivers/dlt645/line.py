"""DL/T 645-2007 on a byte stream."""

import asyncio
import logging
from decimal import Decimal

from drivers.base import Cost, Model, Nonsense, NotSent, Reading, Refused, Span, Unreachable
from drivers.dlt645.model import HOLE, identifier
from drivers.template.bcd_number import MOST_DIGITS
from drivers.transport.exchange import Exchange
from drivers.transport.stream import ByteStream
from protocols.dlt645.frame import HEADER, MOST_DATA, WAKE_BYTES, Frame, FrameDecoder, encode_frame
from protocols.dlt645.messages import DI_BYTES, Data, Failure, ReadData, ReadNext, Refusal, parse_reply
from protocols.errors import RemoteProtocolError
from protocols.sum_frames import TAIL

log = logging.getLogger(__name__)

PAUSE_S = 0.5  # 6.1 (from memory): bytes of one frame are at most that far apart
AROUND = WAKE_BYTES + HEADER + TAIL
ONE_DATUM = DI_BYTES + MOST_DIGITS // 2
MOST_FRAMES = 0xFF  # their number has one byte
HOLD_S = 10.0  # no meter answers later than that
MOST_KNOWN = 8
# What every meter has: its address, date, time, and energy.
FENCES = tuple(ReadData(di) for di in (0x04000401, 0x04000101, 0x04000102, 0x00000000, 0x00010000))

Asked = ReadData | ReadNext
Reply = Data | Refusal


class Dlt645Line:
    """`late` counts the answers that came after their request was given up.

    An answer says whose it is and of which datum. That leaves two that look alike: a late answer and the present one
    about the same datum, and any two refusals. So a datum whose answer is owed is asked again only behind another
    datum's answer (meters answer in order), and a refusal is believed when it has come twice.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.where = stream.where
        self.late = 0
        self._exchange = Exchange[Frame](stream, FrameDecoder(), PAUSE_S)
        self._owed: dict[str, dict[Asked, float]] = {}  # since when, by meter
        self._known: dict[str, list[ReadData]] = {}  # what a meter has answered

    async def open(self) -> None:
        await self._exchange.open()

    async def close(self) -> None:
        await self._exchange.close()

    def cost(self, unit: str, space: str) -> Cost:  # noqa: ARG002 - one speed for all
        one = self._exchange.wire_ms(AROUND + DI_BYTES, AROUND + ONE_DATUM)
        return Cost(one, self._exchange.bytes_ms(ONE_DATUM - DI_BYTES) if HOLE in space else 0.0)

    async def read(self, unit: str, span: Span, timeout: float) -> bytes:
        di = identifier(span)
        try:
            answer = await self._request(unit, ReadData(di), timeout)
        except Refused as error:
            # Some meters refuse a block that they do not have with another error than that.
            code = int(Failure.NO_SUCH_DATA) if span.length > 1 else error.code
            raise Refused(str(error), code) from None
        data, sequence = answer.data, 0
        while answer.more:
            sequence += 1
            if sequence > MOST_FRAMES:
                raise Nonsense(f"{self._of(unit)}: data {di:08X} never ends")
            answer = await self._request(unit, ReadNext(di, sequence), timeout)
            data += answer.data
        return data

    async def write(self, unit: str, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:  # noqa: ARG002
        """A meter is only read: no template has a writable channel."""
        raise NotSent(f"{self._of(unit)}: {model.channels[channel].name} cannot be written; nothing was sent")

    async def _request(self, unit: str, request: Asked, timeout: float) -> Data:
        if self._owes(unit, request):
            await self._ask(unit, self._fence(unit), timeout)
        reply = await self._ask(unit, request, timeout)
        if isinstance(reply, Refusal):
            reply = await self._ask(unit, request, timeout)
        if isinstance(reply, Data):
            return reply
        absent = reply.failure & Failure.NO_SUCH_DATA
        code = int(Failure.NO_SUCH_DATA) if absent else reply.failure
        raise Refused(f"{self._of(unit)}: {reply.reason} to data {request.di:08X}", code)

    async def _ask(self, unit: str, request: Asked, timeout: float) -> Reply:
        def accept(frame: Frame) -> Reply | None:
            return self._judge(frame, unit, request)

        sent = encode_frame(request.frame(unit))
        try:
            reply: Reply = await self._exchange.ask(self._of(unit), sent, _longest(request), accept, timeout)
        except BaseException:  # a request that was cancelled is owed its answer too
            if self._exchange.sent:
                self._owed.setdefault(unit, {})[request] = asyncio.get_running_loop().time()
            raise
        if isinstance(reply, Data):
            self._owed.pop(unit, None)  # what is older has come, or never will
            if isinstance(request, ReadData):
                known = self._known.get(unit, [])
                if request not in known:
                    self._known[unit] = [*known[1 - MOST_KNOWN :], request]
        return reply

    def _judge(self, frame: Frame, unit: str, request: Asked) -> Reply | None:
        """The answer to `request`; None for one that is owed from before. Raises RemoteProtocolError for another."""
        if frame.address != unit:
            raise RemoteProtocolError(f"meter {frame.address} answered")
        try:
            return _data_or_refusal(frame, request)
        except RemoteProtocolError:
            for owed in self._owed.get(unit, ()):
                if _answers(frame, owed):
                    self.late += 1
                    log.debug("%s: an answer about data %08X came late and was dropped", self._of(unit), owed.di)
                    return None
            raise

    def _owes(self, unit: str, request: Asked) -> bool:
        since = self._owed.get(unit, {}).get(request)
        return since is not None and asyncio.get_running_loop().time() - since < HOLD_S

    def _fence(self, unit: str) -> ReadData:
        """A datum whose answer is not owed, best one that the meter is known to answer."""
        for candidate in (*self._known.get(unit, []), *FENCES):
            if not self._owes(unit, candidate):
                return candidate
        raise Unreachable(f"{self._of(unit)}: answers to all that could be asked are still owed; not asked for now")

    def _of(self, unit: str) -> str:
        return f"{self.where} meter {unit}"


def _longest(request: Asked) -> int:
    """How many bytes an answer may have: that of a block may fill its frame."""
    one = isinstance(request, ReadData) and 0xFF not in request.di.to_bytes(DI_BYTES)
    return AROUND + (ONE_DATUM if one else MOST_DATA)


def _data_or_refusal(frame: Frame, request: Asked) -> Reply:
    reply = parse_reply(frame, request)
    if not isinstance(reply, Data | Refusal):
        raise TypeError(reply)
    return reply


def _answers(frame: Frame, request: Asked) -> bool:
    try:
        return isinstance(parse_reply(frame, request), Data)
    except RemoteProtocolError:
        return False
