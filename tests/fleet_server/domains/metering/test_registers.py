import pytest

from fleet_server.domains.metering.registers import Kind, chief_counters, kind_of
from fleet_server.kernel.ports import ChannelNow


def channel(name: str, unit: str, quantity: str = "3331", kind: str = "counter") -> ChannelNow:
    return ChannelNow(name, {}, quantity, unit, kind, -2, False, None, {}, 1000, 1.0, "1.00", 0, None)


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        (channel("energy", "kWh"), Kind.ELECTRICITY),
        (channel("heat", "kWh"), Kind.HEAT),
        (channel("energy", "GJ"), Kind.HEAT),
        (channel("total", "m3", "3424"), Kind.WATER),
        (channel("total", "m3", "3423"), Kind.GAS),
        (channel("volume", "m3", "3300"), Kind.VOLUME),
        (channel("reactive_1", "kvarh"), None),
        (channel("burning_hours", "h", "3333"), None),
        (channel("poll_count", "", "3300"), None),
        (channel("rain", "mm", "3319"), None),
        (channel("energy", "kWh", kind="gauge"), None),
    ],
)
def test_a_meter_counts_energy_or_volume_and_nothing_else_is_one(known: ChannelNow, kind: Kind | None) -> None:
    assert kind_of(known) is kind


@pytest.mark.parametrize(
    ("registers", "chief"),
    [
        (["energy_export", "energy_rate_1", "energy_import", "energy_import_peak"], "energy_import"),
        (["energy_rate1", "energy"], "energy"),
        (["energy_reverse"], "energy_reverse"),
        (["energy_a", "energy_b", "energy_total"], "energy_total"),
    ],
)
def test_what_was_drawn_in_all_stands_for_the_meter(registers: list[str], chief: str) -> None:
    assert [(kind, one.name) for kind, one in chief_counters([channel(name, "kWh") for name in registers])] == [
        (Kind.ELECTRICITY, chief)
    ]


def test_a_heat_meter_is_no_water_meter_and_a_logger_of_two_is_two_meters() -> None:
    heat, volume = channel("heat", "kWh"), channel("volume", "m3", "3424")
    assert [kind for kind, _ in chief_counters([volume, heat])] == [Kind.HEAT]
    gas = channel("uncorrected", "m3", "3423"), channel("gas", "m3", "3423")
    assert [(kind, one.name) for kind, one in chief_counters([*gas, volume])] == [
        (Kind.WATER, "volume"), (Kind.GAS, "gas"),
    ]  # fmt: skip
