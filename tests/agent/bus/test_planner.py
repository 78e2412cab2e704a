import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bus.planner import FEWEST, Request, plan, split
from drivers.base import Cost, Limits, Point, Span

LIMITS = Limits({"input": 10, "coil": 40}, gap=3)


def points_of(spaces: dict[str, list[tuple[int, int]]]) -> list[Point]:
    number = iter(range(10_000))
    return [Point(space, at, length, next(number)) for space, places in spaces.items() for at, length in places]


def spans(requests: tuple[Request, ...]) -> list[Span]:
    return [request.span for request in requests]


places = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 4)), max_size=25)
maps = st.fixed_dictionaries({"input": places, "coil": places}).map(points_of)


@st.composite
def separate(draw: st.DrawFn) -> list[Point]:
    """Points of one space that do not overlap."""
    at, found = 0, []
    for number in range(draw(st.integers(1, 12))):
        at += draw(st.integers(0, 6))
        length = draw(st.integers(1, 4))
        found.append(Point("input", at, length, number))
        at += length
    return found


def test_a_gap_that_is_allowed_is_read_along_and_a_wider_one_is_not() -> None:
    near = points_of({"input": [(0, 1), (4, 1)]})
    wide = points_of({"input": [(0, 1), (5, 1)]})
    assert spans(plan(near, LIMITS)) == [Span("input", 0, 5)]
    assert spans(plan(wide, LIMITS)) == [Span("input", 0, 1), Span("input", 5, 1)]


def test_a_request_ends_where_the_longest_allowed_ends() -> None:
    points = points_of({"input": [(at, 2) for at in range(0, 20, 2)]})
    assert spans(plan(points, LIMITS)) == [Span("input", 0, 10), Span("input", 10, 10)]


def test_bits_of_one_status_word_are_one_request() -> None:
    points = points_of({"input": [(5, 1), (5, 1), (5, 1)]})
    (request,) = plan(points, LIMITS)
    assert request.span == Span("input", 5, 1)
    assert request.channels == {0, 1, 2}


@pytest.mark.parametrize("point", [Point("input", 0, 11, 0), Point("input", 0, 0, 0), Point("holding", 0, 1, 0)])
def test_a_point_that_no_request_can_hold_is_refused(point: Point) -> None:
    with pytest.raises(ValueError, match=f"{point.space} 0"):
        plan([point], LIMITS)


@given(maps)
def test_every_point_is_covered_whole_by_exactly_one_request(points: list[Point]) -> None:
    requests = plan(points, LIMITS)
    assert sorted(point for request in requests for point in request.points) == sorted(points)
    for request in requests:
        for point in request.points:
            assert point.space == request.span.space
            assert request.span.address <= point.address
            assert point.address + point.length <= request.span.address + request.span.length


@given(maps)
def test_no_request_is_longer_than_allowed_nor_reads_a_wider_gap(points: list[Point]) -> None:
    for request in plan(points, LIMITS):
        assert request.span.length <= LIMITS.longest[request.span.space]
        wanted = sorted({at for point in request.points for at in range(point.address, point.address + point.length)})
        assert (wanted[0], wanted[-1] + 1) == (request.span.address, request.span.address + request.span.length)
        assert all(after - before <= LIMITS.gap + 1 for before, after in pairwise(wanted))


def cheapest(points: list[Point], cost: Cost) -> float:
    """What the cheapest cut into runs of neighbours costs, by trying every first run."""
    if not points:
        return 0.0
    best = math.inf
    for end in range(1, len(points) + 1):
        run = points[:end]
        reach = run[-1].address + run[-1].length - run[0].address
        gaps = (after.address - before.address - before.length for before, after in pairwise(run))
        if reach <= LIMITS.longest["input"] and all(gap <= LIMITS.gap for gap in gaps):
            best = min(best, cost.request + cost.address * reach + cheapest(points[end:], cost))
    return best


@given(separate(), st.floats(0.1, 50), st.floats(0, 10))
def test_no_plan_is_cheaper(points: list[Point], request: float, address: float) -> None:
    cost = Cost(request, address)
    planned = sum(cost.request + address * one.span.length for one in plan(points, LIMITS, lambda _: cost))
    assert planned == pytest.approx(cheapest(points, cost))


@given(separate())
def test_where_nothing_is_known_of_the_line_no_plan_has_fewer_requests(points: list[Point]) -> None:
    assert len(plan(points, LIMITS)) == cheapest(points, FEWEST)


def test_a_gap_is_read_along_only_where_that_is_cheaper_than_asking_twice() -> None:
    points = points_of({"input": [(0, 1), (3, 1)]})
    assert spans(plan(points, LIMITS, lambda _: Cost(20.0, 2.0))) == [Span("input", 0, 4)]
    assert spans(plan(points, LIMITS, lambda _: Cost(3.0, 2.0))) == [Span("input", 0, 1), Span("input", 3, 1)]


def test_a_greedy_plan_would_read_more_addresses_in_as_many_requests() -> None:
    # From the left, as far as it goes: 0 to 9 with a gap of three, then 10 to 11. Cut at the gap it reads three fewer.
    points = points_of({"input": [(0, 4), (7, 3), (10, 2)]})
    assert spans(plan(points, LIMITS)) == [Span("input", 0, 4), Span("input", 7, 5)]


@given(maps)
def test_splitting_keeps_every_point_and_ends(points: list[Point]) -> None:
    todo, kept = list(plan(points, LIMITS)), []
    while todo:
        request = todo.pop()
        smaller = split(request)
        assert sorted(point for part in smaller for point in part.points) == (sorted(request.points) if smaller else [])
        assert all(len(part.points) < len(request.points) for part in smaller)
        todo.extend(smaller)
        if not smaller:
            kept.append(request)
    assert sorted(point for request in kept for point in request.points) == sorted(points)


def test_a_request_is_cut_at_its_widest_gap_and_without_one_in_the_middle() -> None:
    (request,) = plan(points_of({"input": [(0, 1), (2, 1), (3, 1), (6, 1)]}), LIMITS)
    assert spans(split(request)) == [Span("input", 0, 4), Span("input", 6, 1)]
    (request,) = plan(points_of({"input": [(at, 1) for at in range(8)]}), LIMITS)
    assert spans(split(request)) == [Span("input", 0, 4), Span("input", 4, 4)]


@given(separate(), st.data())
def test_no_request_goes_on_across_a_cut_and_no_cut_costs_a_point(points: list[Point], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.sampled_from([("input", point.address) for point in points])))
    requests = plan(points, LIMITS, cuts=cuts)
    assert sorted(point for request in requests for point in request.points) == points
    for request in requests:
        assert not [at for _, at in cuts if request.span.address < at < request.span.address + request.span.length]


def test_a_cut_in_another_space_is_none_here() -> None:
    points = points_of({"input": [(0, 1), (1, 1)]})
    assert len(plan(points, LIMITS, cuts={("coil", 1)})) == 1
    assert len(plan(points, LIMITS, cuts={("input", 1)})) == 2


def test_points_that_share_an_address_are_not_split() -> None:
    (request,) = plan(points_of({"input": [(0, 2), (1, 1)]}), LIMITS)
    assert split(request) == ()
