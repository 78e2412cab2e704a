"""One request at a time on a byte stream, for protocols whose answers say whose they are."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from drivers.transport import transaction
from drivers.transport.carrier import Carrier
from drivers.transport.stream import ByteStream
from drivers.transport.transaction import Asked, Transaction
from drivers.transport.wire import bytes_ms, wire_ms
from protocols.stream import NeedData

DRAIN_QUIET_S, DRAIN_MOST_S = transaction.DRAIN_QUIET_S, transaction.DRAIN_MOST_S  # for lines of other people

F_co = TypeVar("F_co", covariant=True)
F = TypeVar("F")
T = TypeVar("T")


class Decoder(Protocol[F_co]):
    """A codec's decoder, such as protocols.sum_frames.SumDecoder."""

    def receive_data(self, data: bytes) -> None: ...

    def line_idle(self) -> None: ...

    def forget(self) -> None: ...

    def next_frame(self) -> F_co | NeedData: ...


class Exchange(Generic[F]):
    """`pause_s` and `unasked` are those of Transaction."""

    def __init__(
        self,
        stream: ByteStream,
        decoder: Decoder[F],
        pause_s: float,
        unasked: Callable[[bytes | F], bool] = lambda _: False,
    ) -> None:
        self.where = stream.where
        self._stream = stream
        self._transaction = Transaction(stream, decoder, pause_s, unasked)
        self._carrier = Carrier(stream, self._transaction)

    async def open(self) -> None:
        await self._carrier.open()

    async def close(self) -> None:
        await self._carrier.close()

    def wire_ms(self, sent: int, received: int) -> float:
        return wire_ms(self._stream, sent, received)

    def bytes_ms(self, count: float) -> float:
        return bytes_ms(self._stream, count)

    @property
    def sent(self) -> bool:
        """Whether the last request went out: one that did not is owed no answer."""
        return self._transaction.sent_at is not None

    async def ask(self, who: str, request: bytes, longest: int, accept: Callable[[F], T | None], timeout: float) -> T:
        """What `accept` makes of the frame that answers `request`; see Asked. Raises DeviceError."""
        asked = Asked(who, request, longest, accept, timeout)
        answer: T = await self._carrier.run(self._transaction.begin, asked)
        return answer
