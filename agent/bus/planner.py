"""Which registers go into one request. Pure."""

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from drivers.base import Cost, Limits, Point, Span


class Request(NamedTuple):
    """One span to ask for and the points it answers: each point of a plan stands in exactly one request.

    A span may hold points of another request too, where a model's points overlap; the owner keeps only its own.
    """

    span: Span
    points: tuple[Point, ...]

    @property
    def channels(self) -> frozenset[int]:
        return frozenset(point.channel for point in self.points)


Cut = tuple[str, int]  # a space, and an address in it
FEWEST = Cost(1.0, 0.0)  # where nothing is known of the line: each request costs the same, whatever it holds


def plan(
    points: Iterable[Point],
    limits: Limits,
    cost: Callable[[str], Cost] = lambda _: FEWEST,
    cuts: Collection[Cut] = (),
) -> tuple[Request, ...]:
    """The requests that cover all `points` and cost the least together, by space and address; `cost` is of a space.

    A request holds neighbours: the addresses nobody asked for between two points are at most `limits.gap`, and the
    whole is at most `limits.longest` of its space. None goes on across one of `cuts`, the addresses that a device
    does not give together with what stands before them. Of plans that cost the same, the one with the fewest
    addresses is taken. For points that do not overlap no plan under these limits is cheaper. Raises ValueError for a
    point that is longer than any request may be: a model's mistake.
    """
    requests: list[Request] = []
    for space, those in groupby(sorted(points), key=attrgetter("space")):
        longest = limits.longest.get(space, 0)
        places = _places(those, longest)
        barred = sorted(address for where, address in cuts if where == space)
        runs = _cheapest(places, longest, limits.gap, cost(space), barred)
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
    places: Sequence[list[Point]], longest: int, gap: int, cost: Cost, barred: Sequence[int]
) -> Iterable[Sequence[list[Point]]]:
    """`places` cut into runs by dynamic programming: for each number of first places the cheapest way to read them,
    and where its last run begins. No more steps than there are places times what fits one request."""
    best = [(0.0, 0)] + [(math.inf, 0)] * len(places)  # cost, addresses
    begins = [0] * (len(places) + 1)
    for first, place in enumerate(places):
        start, reach = place[0].address, _end(place[0])
        barred_before = bisect_right(barred, start)
        for last in range(first, len(places)):
            here = places[last][0].address
            if here - reach > gap or bisect_right(barred, here) > barred_before:
                break
            reach = max(reach, _end(places[last][0]))
            length = reach - start
            if length > longest:
                break
            candidate = best[first][0] + cost.request + cost.address * length, best[first][1] + length
            if candidate < best[last + 1]:
                best[last + 1], begins[last + 1] = candidate, first
    cuts = [len(places)]
    while cuts[-1]:
        cuts.append(begins[cuts[-1]])
    cuts.reverse()
    return (places[begin:end] for begin, end in pairwise(cuts))


def split(request: Request) -> tuple[Request, ...]:
    """The two smaller requests to try where a device said that `request` touches an address it does not have.

    It is cut at its widest gap, which nobody wanted and which may be all that is wrong; without gaps, in the middle.
    Empty when nothing is left to cut: points that share addresses are refused together.
    """
    runs = _runs(request.points)
    if len(runs) < 2:
        return ()
    middle = len(runs) / 2
    at = max(range(1, len(runs)), key=lambda i: (runs[i][0].address - _reach(runs[i - 1]), -abs(i - middle)))
    return tuple(_request([point for run in part for point in run]) for part in (runs[:at], runs[at:]))


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
    return Request(Span(points[0].space, start, _reach(points) - start), tuple(points))


def _reach(points: Iterable[Point]) -> int:
    return max(map(_end, points))


def _end(point: Point) -> int:
    return point.address + point.length
