from hypothesis import given
from hypothesis import strategies as st

from agent.bus.learned import NOTHING, Learned, Split, Turnaround, conclude
from agent.bus.planner import Request, plan, split
from drivers.base import Limits, Point

LIMITS = Limits({"input": 30}, gap=3)
POINTS = [Point("input", at, 1, number) for number, at in enumerate((0, 1, 4, 6, 7, 10, 13))]


def poll(learned: Learned, absent: set[int]) -> tuple[Learned, int]:
    """One poll of a device that lacks `absent`, and how many of its requests were refused."""
    lacking = {point for point in POINTS if learned.lacks(point)}
    todo = list(plan([point for point in POINTS if point not in lacking], LIMITS, cuts=learned.barriers))
    splits, answered = [], set()
    while todo:
        request = todo.pop()
        if absent & set(range(request.span.address, request.span.address + request.span.length)):
            smaller = split(request)
            splits.append(Split(request, smaller))
            todo.extend(smaller)
        else:
            answered.add(request)
    return conclude(learned, splits, answered.__contains__), len(splits)


def test_a_hole_that_nobody_wanted_parts_only_the_two_beside_it() -> None:
    learned, _ = poll(NOTHING, {2})
    assert learned.cuts == {("input", 4)}
    assert not learned.absent
    assert [request.span.length for request in plan(POINTS, LIMITS, cuts=learned.cuts)] == [2, 10]


def test_a_place_that_is_refused_alone_is_absent_and_its_neighbours_are_read_together_again() -> None:
    learned, _ = poll(NOTHING, {1})
    while (again := poll(learned, {1}))[1]:
        learned = again[0]
    assert learned.absent == {("input", 1, 1)}
    assert learned.lacks(POINTS[1])
    assert not learned.lacks(POINTS[0])


@given(st.sets(st.integers(0, 13)))
def test_after_a_few_polls_nothing_is_refused_any_more_and_nothing_that_is_there_is_absent(absent: set[int]) -> None:
    learned = NOTHING
    for _ in range(len(POINTS) + 1):
        learned, refused = poll(learned, absent)
        if not refused:
            break
    assert poll(learned, absent)[1] == 0
    assert {point for point in POINTS if learned.lacks(point)} == {point for point in POINTS if point.address in absent}


@given(st.sets(st.integers(0, 13)))
def test_no_cut_is_made_where_the_device_gives_both_sides_at_once(absent: set[int]) -> None:
    learned = NOTHING
    for _ in range(len(POINTS) + 1):
        learned, _ = poll(learned, absent)
    for _, at in learned.cuts:
        before = max(point.address for point in POINTS if point.address < at and not learned.lacks(point))
        assert absent & set(range(before + 1, at)), f"nothing is missing between {before} and {at}"


def test_parts_of_which_one_was_not_answered_teach_nothing() -> None:
    (request,) = plan(POINTS, LIMITS)
    one, other = split(request)
    assert conclude(NOTHING, [Split(request, (one, other))], {one}.__contains__) == NOTHING


def test_a_turnaround_follows_its_device_and_one_late_answer_moves_it_little() -> None:
    turnaround = Turnaround(None)
    assert turnaround.expected == 10.0
    for _ in range(50):
        turnaround.heard(40.0)
    assert turnaround.expected == 40.0
    turnaround.heard(440.0)
    assert turnaround.expected <= 90.0
    turnaround.heard(-5.0)
    assert turnaround.expected >= 0.0


def test_a_request_answers_for_its_own_points() -> None:
    assert Request(plan(POINTS, LIMITS)[0].span, tuple(POINTS)).channels == set(range(7))
