"""What frames take on the wire beneath a stream."""

from typing import Protocol


class Wire(Protocol):
    """A drivers.transport.stream.ByteStream, as far as its times go."""

    where: str
    char_s: float
    idle_s: float
    quiet_s: float | None


def wire_ms(wire: Wire, sent: int, received: int) -> float:
    """What a request and its answer of so many bytes take on the wire, with the silence before the next request. That
    between the two is the device's: it is part of how long it thinks."""
    return bytes_ms(wire, sent + received) + 1000 * wire.idle_s


def bytes_ms(wire: Wire, count: float) -> float:
    return 1000 * count * wire.char_s
