"""Which registers go into one request. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from drivers.base import Limits, Point, Span


class Request(NamedTuple):
    """One span to ask for and the points it answers: each point of a plan stands in exactly one request.

    A span may hold points of another request too, where a model's points overlap; the owner keeps only its own.
    """

    span: Span
    points: tuple[Point, ...]

    @property
    def channels(self) -> frozenset[int]:
        return frozenset(point.channel for point in self.points)


class Cost(NamedTuple):
    """What reading takes of the line, in ms: `request` for asking at all, `address` for each address of a space."""

    request: float
    address: Mapping[str, float]


FEWEST = Cost(1.0, {})  # where nothing is known of the line: each request costs the same, whatever it holds


def plan(points: Iterable[Point], limits: Limits, cost: Cost = FEWEST) -> tuple[Request, ...]:
    """The requests that cover all `points` and cost the least together, in order of space and address.

    A request holds neighbours: the addresses nobody asked for between two points are at most `limits.gap`, and the
    whole is at most `limits.longest` of its space. Of plans that cost the same, the one with the fewest addresses is
    taken. For points that do not overlap no plan under these limits is cheaper. Raises ValueError for a point that is
    longer than any request may be: a model's mistake.
    """
    requests: list[Request] = []
    for space, those in groupby(sorted(points), key=attrgetter("space")):
        longest = limits.longest.get(space, 0)
        places = _places(those, longest)
        runs = _cheapest(places, longest, limits.gap, cost.request, cost.address.get(space, 0.0))
        requests += [_request([point for place in run for point in place]) for run in runs]
    return tuple(requests)


def _places(points: Iterable[Point], longest: int) -> list[list[Point]]:
    """The points, those that stand at one place (the bits of a word, say) together."""
    places: list[list[Point]] = []
    for (space, address, length), those in groupby(points, key=attrgetter("space", "address", "length")):
        if not 0 < length <= longest:
            raise ValueError(f"{space} {address}: {length} addresses; a request holds 1 to {longest}")
        places.append(list(those))
    return places


def _cheapest(
    places: Sequence[list[Point]], longest: int, gap: int, request: float, address: float
) -> Iterable[Sequence[list[Point]]]:
    """`places` cut into runs by dynamic programming: for each number of first places the cheapest way to read them,
    and where its last run begins. No more steps than there are places times what fits one request."""
    best = [(0.0, 0)] + [(math.inf, 0)] * len(places)  # cost, addresses
    begins = [0] * (len(places) + 1)
    for first, place in enumerate(places):
        start, reach = place[0].address, _end(place[0])
        for last in range(first, len(places)):
            if places[last][0].address - reach > gap:
                break
            reach = max(reach, _end(places[last][0]))
            length = reach - start
            if length > longest:
                break
            candidate = best[first][0] + request + address * length, best[first][1] + length
            if candidate < best[last + 1]:
                best[last + 1], begins[last + 1] = candidate, first
    cuts = [len(places)]
    while cuts[-1]:
        cuts.append(begins[cuts[-1]])
    cuts.reverse()
    return (places[begin:end] for begin, end in pairwise(cuts))


def split(request: Request) -> tuple[Request, ...]:
    """The smaller requests to try where a device said that `request` touches an address it does not have.

    First the gaps go, which nobody wanted and which may be all that is wrong; then it is halved. Empty when nothing is
    left to split: points that share addresses are refused together.
    """
    runs = _runs(request.points)
    if len(runs) < 2:
        return ()
    gapless: list[list[Point]] = []
    for run in runs:
        if gapless and max(map(_end, gapless[-1])) == run[0].address:
            gapless[-1].extend(run)
        else:
            gapless.append(list(run))
    if len(gapless) > 1:
        return tuple(map(_request, gapless))
    half = len(runs) // 2
    return _request([point for run in runs[:half] for point in run]), _request(
        [point for run in runs[half:] for point in run]
    )


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points, grouped where they share addresses, in order of address."""
    runs: list[list[Point]] = []
    end = -1
    for point in sorted(points):
        if runs and point.address < end:
            runs[-1].append(point)
        else:
            runs.append([point])
        end = max(end, _end(point))
    return runs


def _request(points: Sequence[Point]) -> Request:
    start = min(point.address for point in points)
    return Request(Span(points[0].space, start, max(map(_end, points)) - start), tuple(points))


def _end(point: Point) -> int:
    return point.address + point.length
