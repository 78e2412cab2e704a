"""The pace of old data against a server that takes what it takes, in virtual time."""

from hypothesis import given
from hypothesis import strategies as st

from agent.spool.records import Row
from agent.uplink.pace import FIRST, LEAST, TARGET_S, Pace

MOST = 768 << 10
SIZE = 4 << 10


def row(seq: int) -> Row:
    return Row(seq, "data", bytes(SIZE), b"", None)


def drained(pace: Pace, seconds: float, bytes_s: float, round_trip: float = 0.02) -> tuple[float, list[float]]:
    """Bytes answered in a second, and how long live messages that came in between would have stood in the queue: the
    server answers `bytes_s`, in order."""
    now, free, seq = 0.0, 0.0, 0
    queue: list[tuple[float, int]] = []
    waits = []
    while now < seconds:
        while pace.room(now) > 0:
            seq += 1
            pace.sent([row(seq)], now)
            free = max(free, now) + SIZE / bytes_s
            queue.append((free + round_trip, seq))
        waits.append(max(0.0, free - now))
        now = queue[0][0]
        pace.answered([queue.pop(0)[1]], now)
    return seq * SIZE / seconds, waits


def test_a_fast_server_is_used_to_the_full() -> None:
    rate, waits = drained(Pace(MOST), 20, 10e6)
    assert rate > 0.9 * 10e6
    assert max(waits) < TARGET_S


def test_a_slow_server_is_used_almost_to_the_full_and_live_data_never_waits_long() -> None:
    rate, waits = drained(Pace(MOST), 120, 100e3)
    assert rate > 0.8 * 100e3
    late = sorted(waits)
    assert late[int(0.99 * len(late))] < 1.5 * TARGET_S
    assert max(waits) < 2.0


def test_a_link_whose_every_answer_takes_long_is_not_taken_for_a_queue() -> None:
    rate, _ = drained(Pace(MOST), 600, 1e6, round_trip=2.0)
    assert rate > 100e3


def test_slow_stops_old_data_for_as_long_as_the_server_asks_and_then_it_begins_gently() -> None:
    pace = Pace(MOST)
    assert pace.room(0.0) == FIRST
    pace.slow(30.0)
    assert pace.room(29.9) == 0
    assert pace.until(10.0) == 30.0
    assert pace.room(30.0) == LEAST


@given(
    st.lists(st.tuples(st.sampled_from(["send", "answer", "slow", "wait", "connect"]), st.floats(0, 5)), max_size=80)
)
def test_whatever_happens_old_data_is_never_stopped_for_good_nor_beyond_the_most(
    steps: list[tuple[str, float]],
) -> None:
    pace, now, seq, flying = Pace(MOST), 0.0, 0, list[int]()
    for what, amount in steps:
        if what == "send" and pace.room(now):
            seq += 1
            flying.append(seq)
            pace.sent([row(seq)], now)
        elif what == "answer" and flying:
            pace.answered([flying.pop(0), 10_000], now)
        elif what == "slow":
            pace.slow(now + amount)
        elif what == "connect":
            pace.connected()
            flying.clear()
        now += amount
        assert min(LEAST, MOST) <= pace.bytes <= MOST
    pace.answered(flying, now)
    assert pace.room(pace.until(now)) > 0
