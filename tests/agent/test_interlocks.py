from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.interlocks import Interlock, Interlocks
from protocols.edge.messages import Command
from protocols.edge.requirement import Requirement

CLOSED = Requirement("D0", "close", Decimal(0), Decimal(0))
OPEN = Requirement("D0", "open", Decimal(0), Decimal(0))
LOW = Requirement("D1", "level", Decimal("0.5"), Decimal(3))
GATE = (Interlock("open", Decimal(1), (CLOSED, LOW), 0), Interlock("open", None, (), 2000))


def command(
    value: str = "1", channel: str = "open", device: str = "D0", requires: tuple[Requirement, ...] = ()
) -> Command:
    return Command("G", 7, 1, bytes(16), 0, 1, device, channel, Decimal(value), "li", requires)


def test_only_the_value_that_is_guarded_needs_what_the_guard_requires() -> None:
    locks = Interlocks({"D0": GATE}, 0)
    assert locks.needs(command("1")) == (CLOSED, LOW)
    assert locks.needs(command("0")) == ()
    assert locks.needs(command("1", channel="close")) == ()
    assert locks.needs(command("1", device="D1")) == ()


def test_what_the_command_itself_requires_is_looked_at_first() -> None:
    assert Interlocks({"D0": GATE}, 0).needs(command(requires=(OPEN,))) == (OPEN, CLOSED, LOW)


def test_a_channel_rests_after_a_write_of_any_guarded_value() -> None:
    locks = Interlocks({"D0": GATE}, 0)
    locks.written(command("0"), 10_000)
    assert locks.rest_ms(command("1"), 10_500) == 1500
    assert locks.rest_ms(command("1"), 12_000) == 0
    assert locks.rest_ms(command("1", channel="close"), 10_500) == 0


def test_a_restart_counts_as_a_write_for_nobody_remembers_the_last_one() -> None:
    assert Interlocks({"D0": GATE}, 5000).rest_ms(command(), 6000) == 1000


@given(st.lists(st.integers(0, 60_000)))
def test_between_two_writes_lies_at_least_the_pause(moments: list[int]) -> None:
    locks, written = Interlocks({"D0": GATE}, -10_000), []
    for now in sorted(moments):
        if not locks.rest_ms(command(), now):
            locks.written(command(), now)
            written.append(now)
    assert all(after - before >= 2000 for before, after in pairwise(written))
    assert bool(written) == bool(moments)
