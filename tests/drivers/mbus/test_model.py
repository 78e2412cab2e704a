import struct
import tomllib
from pathlib import Path

import pytest

from drivers.base import Nonsense, Reading
from drivers.mbus.model import MeterModel
from drivers.mbus.template import load_model, parse_model
from protocols.mbus.frame import encode_frame
from protocols.mbus.telegram import encode_telegram
from protocols.quality import Quality
from tests.drivers.mbus.conftest import ADDRESS, HEADER, TEN

FRAMES = tomllib.loads(
    (Path(__file__).parents[2] / "protocols" / "mbus" / "frames.toml").read_text("utf-8"),
)["pymeterbus"]
GOOD = Quality.GOOD


def named(model: MeterModel, raw: bytes) -> dict[str, tuple[float | None, int]]:
    return {model.channels[index].name: (value, quality) for index, value, quality in model.decode(TEN, raw)}


def one(channel: str, *telegrams: str, status: int = 0) -> Reading:
    """What a model of one channel makes of telegrams with these records."""
    model = parse_model(
        'name = "x"\ntitle = { en = "x", zh = "x" }\n[[channel]]\nname = "x"\ntitle = { en = "x", zh = "x" }\n'
        + channel,
        "x.toml",
    )
    header = HEADER._replace(status=status)
    frames = [encode_frame(encode_telegram(ADDRESS, header, bytes.fromhex(records))) for records in telegrams]
    (reading,) = model.decode(TEN, b"".join(frames))
    return reading


COUNTER = 'quantity = "water"\nunit = "m3"\nkind = "counter"\nrecord = "volume"\nscale = "0.001"\n'
GAUGE = 'quantity = "temperature"\nunit = "Cel"\nkind = "gauge"\nrecord = "flow_temperature"\nscale = "0.1"\n'


def test_kamstrup_601_reads_as_its_display_does() -> None:
    values = named(load_model("mbus_heat_meter"), bytes.fromhex(FRAMES["kamstrup_multical_601"]))
    expected = {
        "heat": (37_351_000, GOOD),  # Wh
        "settlement": (33_361_000, GOOD),
        "volume": (561_080, GOOD),  # 561.08 m3
        "supply": (10_169, GOOD),  # 101.69 degrees
        "power": (34_700, GOOD),
        "hours": (985, GOOD),
    }
    assert values.items() >= expected.items()


def test_a_record_that_is_missing_costs_its_channel_alone() -> None:
    values = named(load_model("mbus_water_meter"), bytes.fromhex(FRAMES["oms_water"]))
    missing = (None, Quality.BAD_CONFIGURATION_ERROR)
    assert values.items() >= {"volume": (2_850_427, GOOD), "temperature": missing}.items()


def test_a_published_electricity_meter_numbers_its_phases() -> None:
    values = named(load_model("mbus_electricity_meter"), bytes.fromhex(FRAMES["electricity_meter_1"]))
    assert [values[f"voltage_{n}"][0] for n in (1, 2, 3)] == [2370, 2310, 2280]
    assert [values[f"current_{n}"][0] for n in (1, 2, 3)] == [3200, 3500, 6900]


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ("0c1301000000", 1),
        ("0c1601000000", 1_000),
        ("0c1999999999", None),  # a mass
        ("0c1099999999", None),  # 0.000001 m3: a counter is exact or nothing
        ("0c1000000001", 1_000),
        ("051300008040", None),  # a float is no counter
        ("0c1399999999", 99_999_999),
        ("07130000000000000040", None),  # does not fit 63 bits once in the channel's scale
        ("0d130341424 3".replace(" ", ""), None),
    ],
)
def test_a_counter_is_exact_or_bad(record: str, value: int | None) -> None:
    if record.startswith("0713"):
        record = "0717" + record[4:]
    reading = one(COUNTER, record)
    assert reading.value == value
    assert (reading.quality == GOOD) == (value is not None)


def test_a_gauge_is_rounded_to_its_scale_and_may_be_a_float() -> None:
    assert one(GAUGE, "0259b00d").value == 350  # 35.04
    assert one(GAUGE, "0259b50d").value == 351
    assert one(GAUGE, "055b" + struct.pack("<f", -12.34).hex()).value == -123
    assert one(GAUGE, "055b" + struct.pack("<f", 3e38).hex()) == Reading(0, None, Quality.BAD_OUT_OF_RANGE)


def test_a_value_that_the_meter_marks_invalid_is_a_sensors_failure() -> None:
    assert one(GAUGE, "0a5aeeee") == Reading(0, None, Quality.BAD_NO_DATA)
    assert one(GAUGE, "02590080") == Reading(0, None, Quality.BAD_NO_DATA)


def test_a_value_of_an_error_state_is_not_taken_for_the_present_one() -> None:
    assert one(GAUGE, "325a0000") == Reading(0, None, Quality.BAD_SENSOR_FAILURE)
    assert one(GAUGE, "325a0000025a6400").value == 100


@pytest.mark.parametrize(
    "record", ["4c1301000000", "8c101301000000", "8c401301000000", "1c1301000000", "0c933b01000000"]
)
def test_another_storage_tariff_subunit_function_or_modifier_is_another_value(record: str) -> None:
    assert one(COUNTER, record).value is None


@pytest.mark.parametrize(
    ("keys", "record"),
    [
        ("storage = 1", "4c1301000000"),
        ("tariff = 1", "8c101301000000"),
        ("subunit = 1", "8c401301000000"),
        ('function = "maximum"', "1c1301000000"),
        ('modifiers = "3B"', "0c933b01000000"),
    ],
)
def test_a_channel_names_the_value_it_wants(keys: str, record: str) -> None:
    assert one(COUNTER + keys, "0c1307000000" + record).value == 1


def test_records_of_further_telegrams_count_and_the_first_one_wins() -> None:
    assert one(COUNTER, "0a5a0000", "0c1305000000").value == 5
    assert one(COUNTER, "0c1305000000", "0c1306000000").value == 5


def test_a_channel_may_be_a_bit_of_the_status() -> None:
    state = 'quantity = "digital_input"\nkind = "state"\nrecord = "status"\nbit = 3\n'
    assert one(state, "", status=0x0C).value == 1
    assert one(state, "", status=0x04).value == 0
    assert one(state + "width = 2", "", status=0x18).value == 3


def test_what_is_no_telegram_is_nonsense() -> None:
    broken = encode_frame(encode_telegram(ADDRESS, HEADER, b"\x04"))
    with pytest.raises(Nonsense):
        load_model("mbus_water_meter").decode(TEN, broken)
