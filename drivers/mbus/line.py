"""M-Bus on a byte stream: one meter after another is begun with, then asked for all its telegrams."""

import asyncio
import logging
from decimal import Decimal

from drivers.base import Cost, Model, NotSent, Reading, Refused, Span, Unit
from drivers.mbus.access import LATE_S, AccessNumbers
from drivers.transport.exchange import Exchange
from drivers.transport.stream import ByteStream
from protocols.errors import RemoteProtocolError
from protocols.mbus.codes import APPLICATION_ERROR, SECONDARY
from protocols.mbus.decoder import FrameDecoder
from protocols.mbus.frame import MAX_FRAME, Ack, Frame, LongFrame, encode_frame
from protocols.mbus.header import Secondary
from protocols.mbus.requests import initialise, request_data, select
from protocols.mbus.telegram import ApplicationFault, Telegram, parse_telegram

log = logging.getLogger(__name__)

SHORT = 5  # bytes of a frame that asks
PAUSE_S = 0.1  # EN 13757-2 allows none within a frame; adapters and converters make some

Fetched = tuple[LongFrame, Telegram | ApplicationFault]


class MbusLine:
    """`late` counts what came after its request was given up, or twice.

    An answer does not say to which request it is. So each readout begins with an initialisation or a selection, whose
    acknowledgement no older answer looks like and, since meters answer in order, none can follow; the frame count bit
    begins anew with it, so that no meter repeats what it said to someone else. docs/protocols/mbus.md has the rest.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.where = stream.where
        self.late = 0
        self._exchange = Exchange[Frame](stream, FrameDecoder(), PAUSE_S)
        self._access: dict[Unit, AccessNumbers] = {}
        self._owed_acks: list[tuple[float, Unit]] = []  # since when, and of whom

    async def open(self) -> None:
        await self._exchange.open()

    async def close(self) -> None:
        await self._exchange.close()

    def cost(self, unit: Unit, space: str) -> Cost:  # noqa: ARG002 - one speed for all
        """By the longest telegrams there are."""
        begin = len(encode_frame(initialise(unit) if isinstance(unit, int) else select(Secondary.parse(unit))))
        return Cost(self._exchange.wire_ms(begin, 1), self._exchange.wire_ms(SHORT, MAX_FRAME))

    async def read(self, unit: Unit, span: Span, timeout: float) -> bytes:
        """At most `span.length` telegrams, as the frames they came in."""
        address = await self._begin(unit, timeout)
        frames: list[LongFrame] = []
        first: Telegram | None = None
        while len(frames) < span.length:
            frame, told = await self._fetch(unit, address, frames, timeout)
            if isinstance(told, ApplicationFault):
                raise Refused(f"{self._of(unit)}: {told.reason}", APPLICATION_ERROR << 8 | told.code)
            if first is not None and told.records == first.records:
                break  # a meter that always says that more follows, and begins again
            first = first or told
            frames.append(frame)
            if not told.more:
                break
        return b"".join(map(encode_frame, frames))

    async def write(self, unit: Unit, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:  # noqa: ARG002
        """A meter is only read: no template has a writable channel."""
        raise NotSent(f"{self._of(unit)}: {model.channels[channel].name} cannot be written; nothing was sent")

    async def _begin(self, unit: Unit, timeout: float) -> int:
        """The address at which the meter now waits to be asked.

        An acknowledgement does not even say whose it is. Where other meters owe some, so many more are waited for: then
        one at least is this meter's. One that this meter itself owes is as good, since nothing was asked of it after.
        """
        request: Frame = initialise(unit) if isinstance(unit, int) else select(Secondary.parse(unit))
        now = asyncio.get_running_loop().time()
        self._owed_acks = [owed for owed in self._owed_acks if now - owed[0] < LATE_S]
        for _ in range(1 + sum(whose != unit for _, whose in self._owed_acks)):
            try:
                await self._exchange.ask(self._of(unit), encode_frame(request), 1, self._judge_ack, timeout)
            except BaseException:
                self._owed_acks.append((asyncio.get_running_loop().time(), unit))
                raise
        return unit if isinstance(unit, int) else SECONDARY

    async def _fetch(self, unit: Unit, address: int, before: list[LongFrame], timeout: float) -> Fetched:
        loop = asyncio.get_running_loop()
        access = self._access.setdefault(unit, AccessNumbers())

        def accept(frame: Frame) -> Fetched | None:
            return self._judge_data(frame, unit, access, before)

        access.ask()
        request = encode_frame(request_data(address, frame_count=len(before) % 2 == 0))
        try:
            frame, told = await self._exchange.ask(self._of(unit), request, MAX_FRAME, accept, timeout)
        except BaseException:
            access.lose(loop.time())
            raise
        if isinstance(told, Telegram):
            access.take(told.header.access)
            self._owed_acks = [owed for owed in self._owed_acks if owed[1] != unit]
        return frame, told

    def _judge_ack(self, frame: Frame) -> Ack | None:
        if isinstance(frame, Ack):
            return frame
        if not frame.from_master:  # else the echo that some level converters make
            self._came_late()
        return None

    def _judge_data(self, frame: Frame, unit: Unit, access: AccessNumbers, before: list[LongFrame]) -> Fetched | None:
        """The answer; None for an echo, and for what is owed from before. Raises RemoteProtocolError for another's."""
        if isinstance(frame, Ack) or frame.from_master:
            return None
        if not isinstance(frame, LongFrame):
            raise RemoteProtocolError(f"a short frame, {encode_frame(frame).hex(' ')}")
        if isinstance(unit, int) and frame.address != unit:
            raise RemoteProtocolError(f"address {frame.address} answered")
        told = parse_telegram(frame)
        if isinstance(told, ApplicationFault):
            return frame, told
        if isinstance(unit, str) and not Secondary.parse(unit).matches_header(told.header):
            raise RemoteProtocolError(f"meter {told.header.secondary} answered")
        if frame in before or not access.fits(told.header.access, asyncio.get_running_loop().time()):
            self._came_late()
            return None
        return frame, told

    def _came_late(self) -> None:
        self.late += 1
        log.debug("%s: an answer came late or twice and was dropped", self.where)

    def _of(self, unit: Unit) -> str:
        return f"{self.where} {'address' if isinstance(unit, int) else 'meter'} {unit}"
