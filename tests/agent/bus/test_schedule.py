from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bus.schedule import Due, Priority, Schedule


def all_due(schedule: Schedule, now: int) -> list[Due]:
    found = []
    while (due := schedule.pop(now)) is not None:
        found.append(due)
    return found


def test_devices_of_one_period_share_the_multiples_of_it() -> None:
    schedule = Schedule([1000, 1000, 500], now=10_300)
    assert schedule.next_at() == 10_500
    assert all_due(schedule, 10_499) == []
    assert all_due(schedule, 10_500) == [Due(2, 10_500, 0)]
    assert sorted(all_due(schedule, 11_000)) == [Due(0, 11_000, 0), Due(1, 11_000, 0), Due(2, 11_000, 0)]


def test_after_a_stall_a_device_is_due_once_and_the_missed_ticks_are_counted() -> None:
    schedule = Schedule([1000], now=0)
    assert all_due(schedule, 61_250) == [Due(0, 61_000, 60)]
    assert schedule.next_at() == 62_000


@pytest.mark.parametrize(("devices", "takes"), [(10, 300), (20, 65), (3, 400), (7, 150)])
def test_on_a_line_that_is_too_slow_all_devices_lose_alike(devices: int, takes: int) -> None:
    schedule, now, reads = Schedule([1000] * devices, now=0), 1000, [0] * devices
    while now < 300_000:
        due = schedule.pop(now)
        if due is None:
            now = schedule.next_at() or now
            continue
        reads[due.device] += 1
        now += takes
    assert max(reads) - min(reads) <= 0.02 * max(reads) + 1


def test_of_two_that_are_due_the_one_with_the_earlier_next_tick_goes_first() -> None:
    schedule = Schedule([60_000, 100], now=0)
    assert [due.device for due in all_due(schedule, 60_000)] == [1, 0]


def test_a_bus_without_devices_is_never_due() -> None:
    schedule = Schedule([], now=5)
    assert schedule.next_at() is None
    assert schedule.pop(10**9) is None


def test_a_period_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 ms"):
        Schedule([0], now=0)


def test_low_priority_is_read_only_where_it_is_over_before_another_s_tick() -> None:
    schedule = Schedule([1000, 10_000], now=0, priorities=[Priority.NORMAL, Priority.LOW])
    takes = {0: 100.0, 1: 400.0}.__getitem__
    assert schedule.pop(10_000, takes) == Due(0, 10_000, 9)
    assert schedule.pop(10_700, takes) is None
    assert schedule.next_at() == 11_000
    assert schedule.pop(11_000, takes) == Due(0, 11_000, 0)
    assert schedule.pop(11_100, takes) == Due(1, 10_000, 0)


def test_what_never_fits_is_read_once_it_is_two_of_its_periods_late() -> None:
    schedule = Schedule([100, 1000], now=0, priorities=[Priority.NORMAL, Priority.LOW])
    takes = {0: 50.0, 1: 400.0}.__getitem__
    now, read = 0, []
    while now < 10_000:
        due = schedule.pop(now, takes)
        if due is None:
            now = schedule.next_at() or 0
            continue
        if due.device == 1:
            read.append(now)
        now += round(takes(due.device))
    assert 3 <= len(read) <= 5
    assert all(2000 <= after - before <= 3500 for before, after in pairwise(read))


def test_high_priority_goes_first_and_starves_nobody() -> None:
    schedule = Schedule([1000] * 3, now=0, priorities=[Priority.NORMAL, Priority.NORMAL, Priority.HIGH])
    assert next(due.device for due in all_due(schedule, 1000)) == 2
    now, reads = 2000, [0, 0, 0]
    while now < 300_000:  # each takes 600 ms: asked for three a second, there is time for fewer than two
        due = schedule.pop(now)
        if due is None:
            now = schedule.next_at() or 0
            continue
        reads[due.device] += 1
        now += 600
    assert reads[2] > reads[0]
    assert min(reads) > 60


@given(
    periods=st.lists(st.integers(1, 5000), min_size=1, max_size=8),
    start=st.integers(0, 10**9),
    steps=st.lists(st.integers(0, 20_000), max_size=40),
)
def test_ticks_rise_are_aligned_and_none_is_lost_uncounted(periods: list[int], start: int, steps: list[int]) -> None:
    schedule, now = Schedule(periods, start), start
    last = [start // period * period for period in periods]
    for step in steps:
        now += step
        for due in all_due(schedule, now):
            period = periods[due.device]
            assert due.tick % period == 0
            assert now - period < due.tick <= now
            assert due.tick == last[due.device] + (due.missed + 1) * period
            last[due.device] = due.tick
        assert all(now - tick < period for tick, period in zip(last, periods, strict=True))
        assert (schedule.next_at() or 0) > now


@given(
    st.lists(st.tuples(st.sampled_from([10, 20, 50]), st.sampled_from(list(Priority))), min_size=1, max_size=6),
    st.integers(0, 500),
    st.integers(0, 200),
    st.integers(0, 6),
    st.randoms(use_true_random=False),
)
def test_who_stays_through_an_exchange_is_due_for_the_very_ticks_it_would_have_been(
    devices: list[tuple[int, Priority]], polled: int, later: int, gone: int, order: Random
) -> None:
    old = Schedule([period for period, _ in devices], 0, [priority for _, priority in devices])
    now = 0
    for _ in range(polled % 40):
        old.pop(now)
        now += 3
    stays = [device for device in range(len(devices)) if device != gone]
    order.shuffle(stays)
    new = Schedule([devices[was][0] for was in stays], now, [devices[was][1] for was in stays])
    new.go_on(old, {was: place for place, was in enumerate(stays)})

    due_before = [due for due in all_due(old, now + later) if due.device in stays]
    expected = {(stays.index(due.device), due.tick, due.missed) for due in due_before}
    assert {tuple(due) for due in all_due(new, now + later)} == expected
