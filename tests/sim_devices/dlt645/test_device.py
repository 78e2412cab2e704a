import pytest

from protocols.bcd import Format
from sim_devices.dlt645.device import Datum, NoSuchData
from sim_devices.models.base import Options
from sim_devices.models.electricity_meters import ThreePhaseDataMeter
from sim_devices.world import World

ENERGY = Datum("energy", 0x00010000, Format.parse("XXXXXX.XX"), counter=True)
POWER = Datum("power", 0x02030000, Format.parse("XX.XXXX", signed=True))
VOLTAGE = Datum("voltage", 0x02010100, Format.parse("XXX.X"))


@pytest.mark.parametrize(
    ("datum", "value", "data"),
    [
        (ENERGY, 99_999_999, "99999999"),
        (ENERGY, 100_000_000, "00000000"),
        (ENERGY, 100_000_001, "01000000"),
        (POWER, -0.12, "001280"),
        (POWER, 1000.0, "999979"),
        (POWER, None, "FFFFFF"),
        (VOLTAGE, 224.84, "4822"),
        (VOLTAGE, -1.0, "0000"),
    ],
)
def test_a_value_stands_in_its_format_and_a_counter_begins_again(datum: Datum, value: float | None, data: str) -> None:
    assert datum.encode(value) == bytes.fromhex(data)


def meter() -> ThreePhaseDataMeter:
    world = World(1, 1_782_041_400_000)
    made = world.add("m", "dlt645_meter_3p", Options())
    world.begin()
    assert isinstance(made, ThreePhaseDataMeter)
    return made


def test_a_block_is_its_data_in_order() -> None:
    made = meter()
    for block, parts in made.BLOCKS.items():
        assert made.read(block) == b"".join(made.read(part) for part in parts)


@pytest.mark.parametrize("di", [0x00010500, 0x0001FFFF, 0x02010000, 0xFFFFFFFF])
def test_what_the_meter_lacks_it_says(di: int) -> None:
    with pytest.raises(NoSuchData):
        meter().read(di)
