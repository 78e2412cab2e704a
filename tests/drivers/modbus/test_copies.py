import pytest

from drivers.modbus.copies import CREDIT, DISCREDIT, MOST_S, WINDOW_S, Copies

UNIT, PDU, OTHER = 5, b"\x03\x02\x00\x07", b"\x03\x02\x00\x08"
NOW = 100.0


@pytest.fixture
def copies() -> Copies:
    made = Copies()
    made.heard(UNIT, PDU, NOW)
    return made


def test_only_the_bytes_of_a_units_last_answer_are_doubted_and_only_for_a_while(copies: Copies) -> None:
    assert copies.is_doubtful(UNIT, PDU, NOW + WINDOW_S)
    assert not copies.is_doubtful(UNIT, OTHER, NOW)
    assert not copies.is_doubtful(UNIT + 1, PDU, NOW)
    assert not copies.is_doubtful(UNIT, PDU, NOW + WINDOW_S + 0.1)
    copies.heard(UNIT, OTHER, NOW)
    assert not copies.is_doubtful(UNIT, PDU, NOW)


def test_refusals_are_all_alike_and_not_doubted(copies: Copies) -> None:
    copies.heard(UNIT, b"\x83\x02", NOW)
    assert not copies.is_doubtful(UNIT, b"\x83\x02", NOW)


def test_who_was_doubted_often_without_cause_is_believed_until_a_copy_is_seen(copies: Copies) -> None:
    for _ in range(CREDIT):
        assert copies.is_doubtful(UNIT, PDU, NOW)
        copies.proved(UNIT)
    assert not copies.is_doubtful(UNIT, PDU, NOW)
    copies.saw(UNIT, NOW)
    for _ in range(CREDIT + DISCREDIT):
        assert copies.is_doubtful(UNIT, PDU, NOW)
        copies.proved(UNIT)
    assert not copies.is_doubtful(UNIT, PDU, NOW)


def test_how_late_copies_come_is_learned(copies: Copies) -> None:
    copies.saw(UNIT, NOW + 3)
    copies.heard(UNIT, OTHER, NOW + 10)
    assert copies.is_doubtful(UNIT, OTHER, NOW + 16)
    copies.saw(UNIT, NOW + 18)
    copies.heard(UNIT, PDU, NOW + 30)
    assert copies.is_doubtful(UNIT, PDU, NOW + 30 + MOST_S)
    assert not copies.is_doubtful(UNIT, PDU, NOW + 30.1 + MOST_S)


def test_the_length_that_a_fence_must_not_have_is_that_of_the_last_answer(copies: Copies) -> None:
    assert copies.shape(UNIT, NOW) == (3, len(PDU))
    assert copies.shape(UNIT, NOW + MOST_S + 1) is None
    assert copies.shape(UNIT + 1, NOW) is None
