"""The window alone, with a clock of its own, against a server that may do anything."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.spool.records import Row
from agent.uplink.window import LONGEST, PROBE_BYTES, Window
from protocols.edge.messages import AckRange, AckStatus, acknowledgement_digest, digest

LIMIT = 10_000
RESEND = 10.0


def row(seq: int, size: int = 1000) -> Row:
    payload = bytes([seq % 256]) * size
    return Row(seq, "data", payload, digest(payload), None)


def rows(first: int, last: int, size: int = 1000) -> list[Row]:
    return [row(seq, size) for seq in range(first, last + 1)]


def sent(window: Window, those: list[Row], now: float) -> list[Row]:
    chosen = window.admit(those)
    for one in chosen:
        window.sent(one, now)
    return chosen


def answer(those: list[Row], status: AckStatus = AckStatus.STORED) -> AckRange:
    return AckRange(those[0].seq, those[-1].seq, status, acknowledgement_digest([one.digest for one in those]))


def seqs(those: list[Row]) -> list[int]:
    return [one.seq for one in those]


def open_window(now: float = 0.0) -> Window:
    window = Window(LIMIT, RESEND)
    window.connected(now)
    return window


def test_what_is_in_flight_takes_room_until_it_is_answered() -> None:
    window = open_window()
    sent(window, rows(1, 10), 0.0)
    assert window.room(0.0) == 0
    window.answered([3, 4, 99], 0.1)
    assert window.room(0.1) == 2000


def test_what_is_not_answered_is_sent_again_and_not_before_its_time() -> None:
    window = open_window()
    sent(window, rows(1, 3), 0.0)
    window.heard(5.0)
    window.answered([2], 5.0)
    assert window.due(9.9) == []
    assert seqs(window.due(window.next_due(5.0))) == [1, 3]


def test_while_nobody_answers_a_few_are_tried_once_in_a_while() -> None:
    window = open_window()
    many = rows(1, 100, size=8000)
    for one in many:
        window.sent(one, 0.0)
    assert len(window.due(10.0)) == PROBE_BYTES // 8000
    for one in many[: PROBE_BYTES // 8000]:
        window.sent(one, 10.0)
    assert window.due(10.1) == []
    assert window.due(19.0) == []
    window.heard(19.0)
    assert len(window.due(19.0)) == 100 - PROBE_BYTES // 8000


def test_a_server_that_takes_long_is_given_long_but_not_for_ever() -> None:
    window = open_window()
    now = 0.0
    for seq in range(1, 60):
        sent(window, [row(seq)], now)
        now += 8.0
        window.heard(now)
        window.answered([seq], now)
    sent(window, [row(100)], now)
    window.heard(now + 25.0)
    assert window.due(now + 25.0) == []
    assert seqs(window.due(now + LONGEST * RESEND + 1)) == [100]


def test_a_server_that_was_away_is_not_taken_for_one_that_takes_long() -> None:
    window = open_window()
    for seq in range(1, 10):
        sent(window, [row(seq)], 0.0)
    for now in (10.0, 20.0, 30.0, 40.0):
        for one in window.due(now):
            window.sent(one, now)
    window.heard(45.0)
    window.answered(range(1, 10), 45.0)
    sent(window, [row(100)], 46.0)
    window.heard(50.0)
    assert seqs(window.due(46.0 + RESEND)) == [100]


def test_what_was_sent_while_the_server_was_away_is_sent_again_as_soon_as_it_is_back() -> None:
    window = Window(1 << 20, RESEND)
    window.connected(0.0)
    many = rows(1, 20, size=8000)
    for one in many[:10]:
        window.sent(one, 0.0)
    tried = window.due(10.0)
    for one in tried:
        window.sent(one, 10.0)
    window.heard(12.0)
    window.answered(seqs(tried), 12.0)
    assert seqs(window.due(12.0)) == [one.seq for one in many[:10] if one not in tried]


def test_a_pause_stops_everything_until_it_ends() -> None:
    window = open_window()
    sent(window, rows(1, 2), 0.0)
    window.pause(30.0)
    window.heard(29.0)
    assert (window.room(29.0), window.due(29.0)) == (0, [])
    assert window.next_due(29.0) == 30.0
    assert window.room(30.0) > 0
    assert seqs(window.due(30.0)) == [1, 2]


def test_a_new_connection_begins_again_with_everything_unanswered() -> None:
    window = open_window()
    sent(window, rows(1, 5), 0.0)
    window.answered([2], 1.0)
    window.connected(100.0)
    assert (window.cursor, window.in_flight, window.room(100.0)) == (0, 0, LIMIT)


def test_rows_that_wait_for_a_birth_are_due_when_it_is_answered() -> None:
    window = open_window()
    flight = rows(1, 4)
    sent(window, flight, 0.0)
    window.heard(1.0)
    window.needs_birth(flight[1:3], birth=9)
    window.sent(row(9), 1.0)
    assert window.due(1.5) == []
    window.answered([9], 2.0)
    assert seqs(window.due(2.0)) == [2, 3]


def test_an_answer_to_other_bytes_or_to_more_than_is_in_flight_covers_nothing() -> None:
    window = open_window()
    flight = rows(1, 4)
    sent(window, flight, 0.0)
    assert window.covers(answer(flight[1:3], AckStatus.FORK)) == flight[1:3]
    assert window.covers(AckRange(2, 3, AckStatus.FORK, bytes(8))) is None
    assert window.covers(AckRange(1, 2**63 - 1, AckStatus.FORK, bytes(8))) is None
    assert window.covers(answer(rows(4, 5), AckStatus.FORK)) is None


class ForkMachine(RuleBasedStateMachine):
    """Rows 1.. are put; some were sent by an earlier process and perhaps stored. The server stores a row, holds other
    bytes under its seq, or stays silent; connections break. A new incarnation must be begun only when no row that the
    server stored, knowingly or not, is still here to be numbered anew."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.window = Window(LIMIT, RESEND)
        self.kept: dict[int, Row] = {}
        self.next = 1
        self.stored: set[int] = set()  # by the server, whether or not we heard
        self.other: set[int] = set()  # seqs that are something else there
        self.on_the_wire: list[Row] = []
        self.forked = False

    @rule(count=st.integers(1, 6), before=st.booleans(), data=st.data())
    def put(self, count: int, before: bool, data: st.DataObject) -> None:
        for _ in range(count):
            self.kept[self.next] = row(self.next)
            kind = data.draw(st.sampled_from(["new", "other", "stored"]))
            if kind == "other":
                self.other.add(self.next)
            elif kind == "stored" and before and self.next == len(self.kept):
                self.stored.add(self.next)  # an earlier process sent it, and we were not told
                self.window.may_have_been_sent(self.next)
            self.next += 1

    @rule()
    def connect(self) -> None:
        self.window.connected(self.now)
        self.on_the_wire.clear()

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def send(self) -> None:
        again = self.window.due(self.now)
        behind = [one for seq, one in sorted(self.kept.items()) if seq > self.window.cursor]
        if self.window.is_forked(behind[0] if behind else None):
            assert not self.stored & self.kept.keys(), "a stored row would be stored again under another number"
            self.forked = True
            return
        chosen = self.window.admit(behind[:3]) if self.window.room(self.now) else []
        for one in again + chosen:
            assert one.seq in self.kept
            self.window.sent(one, self.now)
            self.on_the_wire.append(one)

    @precondition(lambda self: self.on_the_wire)
    @rule(data=st.data(), heard=st.booleans())
    def arrive(self, data: st.DataObject, heard: bool) -> None:
        one = self.on_the_wire.pop(data.draw(st.integers(0, len(self.on_the_wire) - 1)))
        if one.seq not in self.other:
            self.stored.add(one.seq)
        if not heard:
            return
        self.window.heard(self.now)
        if one.seq in self.other:
            covered = self.window.covers(answer([one], AckStatus.FORK))
            if covered is not None:
                self.window.forked(covered, self.now)
        elif one.seq in self.kept:
            del self.kept[one.seq]
            self.window.answered([one.seq], self.now)

    @precondition(lambda self: self.forked)
    @rule()
    def begin_anew(self) -> None:
        self.window.incarnated()
        self.kept = {seq: row(seq) for seq in range(1, len(self.kept) + 1)}
        self.next = len(self.kept) + 1
        self.stored.clear()
        self.other.clear()
        self.on_the_wire.clear()
        self.forked = False

    @invariant()
    def room_is_what_is_not_in_flight(self) -> None:
        assert 0 <= self.window.room(self.now) <= LIMIT


TestForkMachine = ForkMachine.TestCase
TestForkMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(1, 60), unique=True), st.integers(0, 50))
def test_admitted_rows_come_in_order_and_once(wanted: list[int], after: int) -> None:
    window = open_window()
    those = [row(seq) for seq in sorted(wanted) if seq > after]
    assert seqs(sent(window, those, 0.0)) == sorted(seq for seq in wanted if seq > after)
    assert sent(window, those, 0.0) == []
