"""The lanes alone, over a spool that is a dict: what is sent before what, and that all is sent, once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.spool.records import Row, Want
from agent.spool.store import BIRTH, CAPTURED, EXPENDABLE, THINNED, WANTED
from agent.uplink.lanes import AHEAD, BEHIND, MOST_STRETCHES, Lane, Lanes

EVERY = frozenset(Lane)
ROOM = 1000


class Kept:
    """As much of a spool as lanes need: how each seq is kept; a row has one byte."""

    def __init__(self, keeps: dict[int, int]) -> None:
        self.keeps = keeps

    @property
    def next_seq(self) -> int:
        return max(self.keeps, default=0) + 1

    def take(self, wants: list[Want]) -> tuple[int, list[Row]]:
        for place, want in enumerate(wants):
            found = [
                Row(seq, "data", b".", b"", None)
                for seq, keep in sorted(self.keeps.items())
                if max(keep, THINNED) == want.keep and want.after < seq <= want.until
            ]
            if found:
                return place, found[: want.most_bytes]
        return len(wants), []


def turn(lanes: Lanes, kept: Kept, room: int = ROOM, history: int = ROOM, of: frozenset[Lane] = EVERY) -> list[int]:
    turns = lanes.turns(kept.next_seq, of, room, history)
    place, rows = kept.take([one.want for one in turns])
    lanes.read(turns, place)
    if rows:
        lanes.took(turns[place], rows)
    return [row.seq for row in rows]


def drain(lanes: Lanes, kept: Kept, room: int = ROOM) -> list[int]:
    sent: list[int] = []
    while seqs := turn(lanes, kept, room, room):
        sent += seqs
    return sent


def test_a_capture_goes_behind_live_data_and_before_what_waited() -> None:
    kept = Kept({1: EXPENDABLE, 2: CAPTURED})
    lanes = Lanes()
    lanes.connected(kept.next_seq)
    kept.keeps |= {3: WANTED, 4: CAPTURED, 5: EXPENDABLE}
    assert drain(lanes, kept) == [3, 5, 2, 4, 1]


def test_after_an_outage_births_go_first_then_alarms_then_live_data_then_the_old_from_the_oldest_on() -> None:
    kept = Kept({1: BIRTH, 2: EXPENDABLE, 3: WANTED, 4: EXPENDABLE, 5: WANTED, 6: -2, 7: -1})
    lanes = Lanes()
    lanes.connected(kept.next_seq)
    kept.keeps |= {8: EXPENDABLE, 9: WANTED, 10: EXPENDABLE}
    assert drain(lanes, kept) == [1, 3, 5, 9, 8, 10, 2, 4, 6, 7]


def test_live_data_goes_between_any_two_readings_of_the_backlog() -> None:
    kept = Kept(dict.fromkeys(range(1, 101), EXPENDABLE))
    lanes = Lanes()
    lanes.connected(kept.next_seq)
    for seq in range(101, 111):
        assert turn(lanes, kept, room=4, history=4)[0] < 100
        kept.keeps[seq] = EXPENDABLE
        assert turn(lanes, kept, room=4, history=4) == [seq]


def test_old_data_waits_where_it_has_no_room_and_alarms_do_not() -> None:
    kept = Kept({1: EXPENDABLE, 2: WANTED, 3: -1})
    lanes = Lanes()
    lanes.connected(kept.next_seq)
    assert turn(lanes, kept, history=0) == [2]
    assert turn(lanes, kept, history=0) == []
    assert drain(lanes, kept) == [1, 3]


def test_only_the_lanes_that_are_open_are_read() -> None:
    kept = Kept({1: BIRTH, 2: WANTED, 3: EXPENDABLE})
    lanes = Lanes()
    lanes.connected(1)
    urgent = frozenset({Lane.BIRTHS, Lane.ALARMS})
    assert [turn(lanes, kept, of=urgent) for _ in range(3)] == [[1], [2], []]
    assert drain(lanes, kept) == [3]


def test_no_more_old_alarms_go_ahead_of_the_data_between_them_than_the_server_has_room_for_holes() -> None:
    count = 3 * AHEAD
    kept = Kept({seq: WANTED if seq % 2 else EXPENDABLE for seq in range(1, 2 * count)})
    lanes = Lanes()
    lanes.connected(kept.next_seq)
    received: set[int] = set()
    most = 0
    while seqs := turn(lanes, kept, room=50, history=50):
        received |= set(seqs)
        most = max(most, sum(seq - 1 not in received for seq in received))
    assert received == set(kept.keeps)
    assert AHEAD <= most <= AHEAD + 60
    assert most < 4096


def test_live_data_that_falls_behind_becomes_old_data_and_the_newest_goes_first() -> None:
    kept = Kept({1: EXPENDABLE})
    lanes = Lanes()
    lanes.connected(kept.next_seq)
    kept.keeps |= dict.fromkeys(range(2, BEHIND + 200), EXPENDABLE)
    first = turn(lanes, kept)
    assert first[-1] == BEHIND + 199
    assert len(first) < 50
    assert drain(lanes, kept)[:2] == [1, 2]


def test_live_data_is_the_newest_however_long_only_alarms_could_go() -> None:
    lanes = Lanes()
    lanes.connected(1)
    for next_seq in range(1, 100_000, 100):
        lanes.turns(next_seq, frozenset({Lane.BIRTHS, Lane.ALARMS}), ROOM, ROOM)
    (live,) = [want for lane, want in lanes.turns(next_seq, EVERY, ROOM, ROOM) if lane is Lane.LIVE]
    assert next_seq - live.after <= BEHIND + 1
    assert len(lanes._stretches) == 1


class LaneMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept({})
        self.lanes = Lanes()
        self.sent: list[int] = []

    @rule(
        keeps=st.lists(st.sampled_from([BIRTH, WANTED, EXPENDABLE, EXPENDABLE, -1, -3]), max_size=8),
        times=st.integers(1, 80),
    )
    def put(self, keeps: list[int], times: int) -> None:
        for keep in keeps * times:
            self.kept.keeps[self.kept.next_seq] = keep

    @rule(room=st.integers(1, 30), history=st.integers(0, 30))
    def send(self, room: int, history: int) -> None:
        seqs = turn(self.lanes, self.kept, room, history)
        unsent = [keep for seq, keep in self.kept.keeps.items() if seq not in self.sent and seq not in seqs]
        if seqs and self.kept.keeps[seqs[0]] <= EXPENDABLE:
            assert BIRTH not in unsent
            assert unsent.count(WANTED) == 0 or len(self.lanes._ahead) >= AHEAD
        self.sent += seqs

    @rule()
    def connect_again(self) -> None:
        self.lanes.connected(self.kept.next_seq)
        self.sent.clear()

    @rule()
    def drain(self) -> None:
        self.sent += drain(self.lanes, self.kept, 30)
        assert set(self.sent) == set(self.kept.keeps)

    @invariant()
    def nothing_is_sent_twice_and_stretches_are_few(self) -> None:
        assert len(self.sent) == len(set(self.sent))
        assert len(self.lanes._stretches) <= MOST_STRETCHES


TestLaneMachine = LaneMachine.TestCase
TestLaneMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@given(st.lists(st.sampled_from([BIRTH, WANTED, EXPENDABLE, -1]), max_size=60), st.integers(1, 7))
def test_whatever_waits_is_sent_once_and_in_order_within_its_lane(keeps: list[int], room: int) -> None:
    kept = Kept(dict(enumerate(keeps, 1)))
    lanes = Lanes()
    lanes.connected(kept.next_seq)
    sent = drain(lanes, kept, room)
    assert sorted(sent) == sorted(kept.keeps)
    for keep in (BIRTH, WANTED, EXPENDABLE, -1):
        those = [seq for seq in sent if kept.keeps[seq] == keep]
        assert those == sorted(those)
