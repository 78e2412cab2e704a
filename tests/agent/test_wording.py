from agent.wording import DETAIL_LENGTH, detail


def test_what_a_database_cannot_hold_is_replaced_and_the_rest_cut() -> None:
    assert detail("a\0b\ud800") == "a?b?"
    assert len(detail("x" * 1000)) == DETAIL_LENGTH
