"""Which registers go into one request. Pure."""

from collections.abc import Iterable, Sequence
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


def plan(points: Iterable[Point], limits: Limits) -> tuple[Request, ...]:
    """The requests that cover all `points`, in order of space and address.

    A request grows while the addresses nobody asked for between two points are at most `limits.gap` and the whole is
    at most `limits.longest` of its space. For points that do not overlap no plan under these limits is shorter, since
    every request starts at the first uncovered point and reaches as far as it may. Raises ValueError for a point that
    is longer than any request may be: a model's mistake.
    """
    requests: list[Request] = []
    taken: list[Point] = []
    end = 0
    for point in sorted(points):
        longest = limits.longest.get(point.space, 0)
        if not 0 < point.length <= longest:
            raise ValueError(f"{point.space} {point.address}: {point.length} addresses; a request holds 1 to {longest}")
        fits = (
            bool(taken)
            and point.space == taken[0].space
            and point.address - end <= limits.gap
            and max(end, _end(point)) - taken[0].address <= longest
        )
        if not fits:
            if taken:
                requests.append(_request(taken))
            taken, end = [], 0
        taken.append(point)
        end = max(end, _end(point))
    if taken:
        requests.append(_request(taken))
    return tuple(requests)


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
