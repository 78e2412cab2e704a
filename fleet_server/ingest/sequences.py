"""Which seqs of an incarnation have been received, and what they looked like."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

PAGE = 128  # digests in a stored page
KEPT_PAGES = 512  # pages of digests behind the highest seq: 65,536 messages
DIGEST = 8  # bytes of SHA-256 that are kept: enough to tell a repeat from a fork, which nobody gains by forging
_NONE = bytes(DIGEST)


class Ranges:
    """A set of integers as inclusive ranges, in order and apart."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in ranges:
            self.add(low, high)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._lows, self._highs, strict=True)

    def __len__(self) -> int:
        """How many ranges; `size` is how many integers."""
        return len(self._lows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def __contains__(self, value: int) -> bool:
        at = bisect_right(self._lows, value) - 1
        return at >= 0 and value <= self._highs[at]

    @property
    def size(self) -> int:
        return sum(high - low + 1 for low, high in self)

    @property
    def highest(self) -> int:
        """0 when there is none."""
        return self._highs[-1] if self._highs else 0

    def add(self, low: int, high: int) -> None:
        first = bisect_right(self._highs, low - 2) if self._highs else 0  # the first range that touches
        last = bisect_right(self._lows, high + 1)  # behind the last one
        if first < last:
            low, high = min(low, self._lows[first]), max(high, self._highs[last - 1])
        self._lows[first:last] = [low]
        self._highs[first:last] = [high]

    def minus(self, other: "Ranges") -> "Ranges":
        result = Ranges()
        for low, high in self:
            for other_low, other_high in other.touching(low, high):
                if low < other_low:
                    result.add(low, other_low - 1)
                low = max(low, other_high + 1)
            if low <= high:
                result.add(low, high)
        return result

    def within(self, low: int, high: int) -> "Ranges":
        return Ranges((max(low, a), min(high, b)) for a, b in self.touching(low, high))

    def touching(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """The ranges that have an integer in common with low..high."""
        at = max(bisect_right(self._lows, low) - 1, 0)
        while at < len(self._lows) and self._lows[at] <= high:
            if self._highs[at] >= low:
                yield self._lows[at], self._highs[at]
            at += 1


def page_of(seq: int) -> int:
    return seq // PAGE


class Digests:
    """The digests of received messages, on the pages that were loaded; `changed` are to be stored, `fresh` are new."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self.changed: set[int] = set()
        self.fresh: set[int] = set()

    def load(self, page: int, stored: bytes) -> None:
        self._pages[page] = bytearray(stored)

    def get(self, seq: int) -> bytes | None:
        """None for a seq that was never put or lies behind the pages that are kept."""
        page = self._pages.get(page_of(seq))
        if page is None:
            return None
        at = seq % PAGE * DIGEST
        kept = bytes(page[at : at + DIGEST])
        return None if kept == _NONE else kept

    def put(self, seq: int, digest: bytes) -> None:
        page = self._pages.get(page_of(seq))
        if page is None:
            page = self._pages[page_of(seq)] = bytearray(PAGE * DIGEST)
            self.fresh.add(page_of(seq))
        at = seq % PAGE * DIGEST
        page[at : at + DIGEST] = digest[:DIGEST]
        self.changed.add(page_of(seq))

    def page(self, page: int) -> bytes:
        return bytes(self._pages[page])
