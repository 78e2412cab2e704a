"""The flight recorder of one line: its last bytes both ways, and those around each fault, in memory that never grows.

Bytes are kept as they came; what must not leave the gateway is masked when they are asked for (agent.diagnosis.mask).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import CLOCK_BOOTTIME as BOOTTIME
from time import clock_gettime_ns as _now_ns

from protocols.trace import Entry, Fault, Gap, Piece

RING_BYTES = 48 << 10
OVERHEAD = 140  # of a piece: a tuple, a number and a bytes object
BEFORE, AFTER = 14, 8  # pieces around a fault
AROUND_BYTES = 4 << 10
ALIKE = 4  # faults of one device and cause that are kept, the newest
FAULTS = 24  # that are kept in all
APART_NS = 1_000_000_000  # between two of one device and cause

# ns of CLOCK_BOOTTIME, whether we sent it, what; None and nothing where a fault was told of.
Noted = tuple[int, bool | None, bytes]


@dataclass
class Incident:
    """`pieces` are numbered from `first` on, that of the fault is `number`; `open` is how many more are to come."""

    at_ns: int
    device: str
    cause: str
    detail: str
    number: int
    first: int
    pieces: list[Noted]
    open: int = AFTER + 1
    room: int = field(default=AROUND_BYTES)


class Recorder:
    """At most RING_BYTES and FAULTS times twice AROUND_BYTES. `sent` and `heard` take a microsecond."""

    def __init__(self) -> None:
        self._ring: deque[Noted] = deque()
        self._room = RING_BYTES
        self._gone = 0  # pieces that have left the ring: the number of its first
        self._incidents: deque[Incident] = deque()
        self._open: list[Incident] = []

    def sent(self, data: bytes) -> None:
        self._note((_now_ns(BOOTTIME), True, data))

    def heard(self, data: bytes) -> None:
        self._note((_now_ns(BOOTTIME), False, data))

    def _note(self, piece: Noted) -> None:
        ring = self._ring
        ring.append(piece)
        self._room -= len(piece[2]) + OVERHEAD
        while self._room < 0 and len(ring) > 1:
            self._room += len(ring.popleft()[2]) + OVERHEAD
            self._gone += 1
        if self._open:
            self._go_on(piece)

    def _go_on(self, piece: Noted) -> None:
        for incident in self._open:
            incident.pieces.append(piece)
            incident.open -= 1
            incident.room -= len(piece[2])
        self._open = [incident for incident in self._open if incident.open > 0 and incident.room > 0]

    def fault(self, device: str, cause: str, detail: str) -> None:
        """`device` is its code, "" for the line. Of faults that repeat the newest are kept, at most one a second."""
        now = _now_ns(BOOTTIME)
        alike = [one for one in self._incidents if one.device == device and one.cause == cause]
        if alike and now - alike[-1].at_ns < APART_NS:
            return
        if len(alike) >= ALIKE:
            self._incidents.remove(alike[0])
        elif len(self._incidents) >= FAULTS:
            self._incidents.popleft()
        before = self._last()
        number = self.next
        incident = Incident(now, device, cause, detail, number, number - len(before), before)
        self._incidents.append(incident)
        self._open.append(incident)
        self._note((now, None, b""))

    def _last(self) -> list[Noted]:
        kept: list[Noted] = []
        room = AROUND_BYTES
        for piece in reversed(self._ring):
            room -= len(piece[2])
            if room < 0 or len(kept) == BEFORE:
                break
            kept.append(piece)
        return kept[::-1]

    @property
    def next(self) -> int:
        """The number of the next piece: where to go on from, for entries()."""
        return self._gone + len(self._ring)

    def entries(self, since: int = 0) -> Iterator[Entry]:
        """All that is kept from piece number `since` on: pieces in their order, with a Gap where some are gone, and
        the faults at their times."""
        kept: dict[int, Noted] = dict(enumerate(self._ring, self._gone))
        for incident in self._incidents:
            kept.update(enumerate(incident.pieces, incident.first))
        faults = {one.number: Fault(one.at_ns // 1000, one.device, one.cause, one.detail) for one in self._incidents}
        expected = since
        for number in sorted(number for number in kept if number >= since):
            ns, sent, data = kept[number]
            if number != expected and (since or expected):
                yield Gap(ns // 1000, number - expected)
            expected = number + 1
            if sent is not None:
                yield Piece(ns // 1000, sent, data)
            elif number in faults:
                yield faults[number]
