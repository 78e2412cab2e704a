from random import Random

from agent.uplink.backoff import FIRST_S, LONGEST_S, Backoff


def test_waits_double_up_to_the_longest_and_begin_anew_after_success() -> None:
    backoff = Backoff(Random(3))
    waits = [backoff.wait_s() for _ in range(12)]
    for number, wait in enumerate(waits):
        whole = min(FIRST_S * 2**number, LONGEST_S)
        assert whole / 2 <= wait <= whole
    backoff.reset()
    assert backoff.wait_s() <= FIRST_S


def test_two_gateways_do_not_knock_at_the_same_moment() -> None:
    first, second = Backoff(Random(1)), Backoff(Random(2))
    assert all(first.wait_s() != second.wait_s() for _ in range(10))
