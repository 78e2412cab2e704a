from agent.bus.quiet import RateLimit


def test_the_first_is_told_at_once_and_the_next_line_says_how_many_were_kept_back() -> None:
    quiet = RateLimit(1000)
    assert quiet.admit("a", 0) == 0
    assert [quiet.admit("a", at) for at in (1, 500, 999)] == [None] * 3
    assert quiet.admit("a", 1000) == 3
    assert quiet.admit("a", 2000) == 0


def test_one_fault_does_not_silence_another() -> None:
    quiet = RateLimit(1000)
    quiet.admit("a", 0)
    assert quiet.admit("b", 1) == 0


def test_a_fault_that_was_over_is_news_again() -> None:
    quiet = RateLimit(1000)
    quiet.admit("a", 0)
    quiet.forget("a")
    quiet.forget("never seen")
    assert quiet.admit("a", 1) == 0
