"""What asking a device has taught of its kind: which registers it lacks, and how long it thinks. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from agent.bus.planner import Cut, Request
from drivers.base import Point

TURNAROUND_MS = 10.0  # of a device that never answered yet: what small controllers take to begin their answer
GAIN = 1 / 8  # RFC 6298's: one answer that was late for its own reasons moves the mean by little
Place = tuple[str, int, int]  # space, address, length


@dataclass(frozen=True)
class Learned:
    """`cuts` are where no request may go on, `absent` the places that were refused alone. None of it is certain of the
    next device of the kind: what is absent is asked once more of each, apart from its neighbours."""

    cuts: frozenset[Cut] = frozenset()
    absent: frozenset[Place] = frozenset()
    turnaround_ms: float | None = None

    @property
    def barriers(self) -> frozenset[Cut]:
        """The cuts, and what is absent: nothing is read along across either."""
        return self.cuts | {place[:2] for place in self.absent}

    def lacks(self, point: Point) -> bool:
        return point[:3] in self.absent


NOTHING = Learned()


class Turnaround:
    """How long a device takes to begin its answer, in ms."""

    def __init__(self, learned: float | None) -> None:
        self.learned = learned

    def heard(self, sample: float) -> None:
        """After an answer that took so long beyond its time on the wire."""
        if self.learned is None:
            self.learned = max(sample, 0.0)
        else:
            self.learned += GAIN * (max(sample, 0.0) - self.learned)

    @property
    def expected(self) -> float:
        return TURNAROUND_MS if self.learned is None else self.learned


class Split(NamedTuple):
    """A request that was refused for an address, and what was asked in its place; no parts if it could not be cut."""

    request: Request
    parts: tuple[Request, ...]


def conclude(learned: Learned, splits: Iterable[Split], answered: Callable[[Request], bool]) -> Learned:
    """What the refusals of one poll mean.

    Where both parts of what was refused are answered, the device lacks something between them, or gives less at once:
    no request goes on there any more. A part that was refused as well explains the whole.
    """
    cuts, absent = set(learned.cuts), set(learned.absent)
    for request, parts in splits:
        if not parts:
            absent |= {point[:3] for point in request.points}
        elif all(map(answered, parts)):
            cuts.add((request.span.space, parts[1].span.address))
    return replace(learned, cuts=frozenset(cuts), absent=frozenset(absent))
