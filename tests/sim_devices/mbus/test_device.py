from protocols.mbus.codes import Function
from protocols.mbus.values import Missing
from protocols.mbus.variable import Form, parse_records
from sim_devices.mbus.device import Place

COUNTER = Place("volume", "volume", "m3", -3, Form.BCD8, counter=True)
GAUGE = Place("supply", "flow_temperature", "Cel", -2, Form.INT16)


def shown(place: Place, value: float | None) -> object:
    (record,) = parse_records(place.encode(value)).records
    return record.value


def test_a_counter_begins_again_behind_its_last_digit() -> None:
    assert shown(COUNTER, 99_999_999) == 99_999_999
    assert shown(COUNTER, 100_000_000) == 0
    assert shown(COUNTER, 100_000_001) == 1


def test_a_gauge_out_of_range_shows_the_nearest_that_fits() -> None:
    assert shown(GAUGE, 35.04) == 3504
    assert shown(GAUGE, 1000.0) == 32767
    assert shown(GAUGE, -1000.0) == -32767
    assert shown(GAUGE._replace(form=Form.BCD4), -99.999) == -999
    assert shown(GAUGE._replace(form=Form.REAL32), 35.5) == 3550.0


def test_no_value_is_said_in_every_form() -> None:
    for form in (Form.INT16, Form.BCD6, Form.REAL32):
        assert isinstance(shown(GAUGE._replace(form=form), None), Missing)


def test_a_place_says_which_value_it_is() -> None:
    place = COUNTER._replace(storage=1, tariff=2, subunit=1, function=Function.MAXIMUM, modifiers=b"\x7f\x01")
    (record,) = parse_records(place.encode(5)).records
    assert record[:4] == ("volume", "m3", 5, -3)
    assert record[4:] == (Function.MAXIMUM, 1, 2, 1, b"\x7f\x01")
