from drivers.base import NO_READINGS, Reading, Readings

FIRST = [Reading(3, 2301, 0), Reading(1, None, 0x8000)]


def test_readings_are_those_they_were_made_of_and_in_order() -> None:
    readings = Readings.of(FIRST)
    assert list(readings) == FIRST
    assert len(readings) == 2
    assert (readings.channels, readings.values, readings.qualities) == ((3, 1), (2301, None), (0, 0x8000))


def test_sums_of_readings_change_neither() -> None:
    one, other = Readings.of(FIRST), Readings.of([Reading(7, 0.5, 0)])
    assert list(one + other) == [*FIRST, Reading(7, 0.5, 0)]
    assert list(NO_READINGS + one) == list(one + NO_READINGS) == FIRST
    assert len(NO_READINGS) == 0
