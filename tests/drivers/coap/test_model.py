import pytest

from drivers.base import ModelError
from drivers.coap.model import load_model, parse_model, template_names
from tests.drivers.coap.conftest import POWER


def test_every_template_of_ours_is_a_model() -> None:
    assert {load_model(name).name for name in template_names()} == {"climate_sensor", "manhole_cover"}


def test_a_record_has_the_channels_name_unless_told() -> None:
    model = parse_model(POWER, "power.toml")
    assert {record: list(channels) for record, channels in model.by_record.items()} == {
        "voltage": [0],
        "current": [1],
        "power": [2],
        "door": [3],
    }
    assert [entry.sent_unit for entry in model.entries] == ["V", "A", "W", ""]


def test_the_record_of_a_device_that_measures_one_thing_may_have_no_name_of_its_own() -> None:
    text = POWER.replace('name = "voltage"', 'name = "voltage"\nrecord = ""', 1)
    assert parse_model(text, "power.toml").by_record[""] == [0]


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ('record = "power"\nfield = "sum"', 'record = "current"', "stands twice for the value of record 'current'"),
        ('field = "sum"', 'field = "total"', "must be one of value, sum"),
        ("decimals = 1", "decimals = 10", "must be an integer from 0 to 9"),
        ("decimals = 1", "address = 1", "is not a key here"),
    ],
)
def test_a_template_that_cannot_be_used_says_why(old: str, new: str, cause: str) -> None:
    with pytest.raises(ModelError, match=cause):
        parse_model(POWER.replace(old, new, 1), "power.toml")
