"""What carries the frames of a serial line: a serial port, or a TCP connection to a terminal server."""

from collections.abc import Callable
from typing import Protocol


class ByteStream(Protocol):
    """`char_s` is the time of a character on the wire, 0 where the wire is not ours to see.

    `idle_s` is the silence that must lie between two frames. `quiet_s` is the silence after which what was received
    will not be continued; None where a stream's pauses say nothing of the line's.
    """

    where: str
    char_s: float
    idle_s: float
    quiet_s: float | None

    async def open(self, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        """`on_lost` is told once, with the cause. Raises LineDown."""
        ...

    def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...
