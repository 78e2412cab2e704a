import json
from datetime import datetime
from decimal import Decimal

import pytest

from drivers.base import Span
from drivers.cjt188.template import load_model, template_names
from protocols.cjt188.messages import METERING
from sim_devices.cjt188.device import RecordDevice
from sim_devices.models.base import Options
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-01-15T12:00:00+08:00").timestamp() * 1000)
HOUR = 3_600_000


def building(counter: int | None = None, start_ms: int = NOON) -> tuple[World, dict[str, RecordDevice]]:
    world = World(5, start_ms)
    meters = {}
    for name in template_names():
        device = world.add(name, name, Options(counter=counter))
        assert isinstance(device, RecordDevice)
        meters[name] = device
    world.begin()
    return world, meters


def count(device: RecordDevice, name: str) -> int:
    value = device.values[name]
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("name", template_names())
def test_the_gateways_template_finds_in_the_record_what_the_simulator_meant(name: str) -> None:
    """Template and simulator were written apart from one list: this is where they meet."""
    world, meters = building()
    model, device = load_model(name), meters[name]
    (space,) = {point.space for point in model.points}
    assert int(space, 16) == device.TYPE
    for minute in range(1, 30):
        world.advance(NOON + 60_000 * minute)
        readings = model.decode(Span(space, METERING, 1), device.record())
        assert {model.channels[each.channel].name for each in readings} == set(device.values)
        for reading in readings:
            channel, meant = model.channels[reading.channel], device.values[model.channels[reading.channel].name]
            assert reading.value is not None
            assert meant is not None
            if isinstance(meant, int):
                assert reading.value == meant
            else:
                shown = Decimal(reading.value).scaleb(channel.scale)
                assert float(shown) == pytest.approx(float(meant), abs=0.51 * 10.0**channel.scale)


def test_more_is_used_in_the_evening_than_at_night() -> None:
    world, meters = building()
    evening: dict[str, int] = {}
    night: dict[str, int] = {}
    for until, used in ((17, {}), (21, evening), (25, {}), (29, night)):
        for name in ("water_meter", "gas_meter"):
            used[name] = -count(meters[name], "total")
        world.advance(NOON + (until - 12) * HOUR)
        for name in ("water_meter", "gas_meter"):
            used[name] += count(meters[name], "total")
    assert all(evening[name] > 4 * night[name] > 0 for name in evening)


def test_the_settlement_is_what_the_meter_showed_at_midnight() -> None:
    midnight = NOON + 12 * HOUR
    world, meters = building()
    world.advance(midnight - 1000)
    shown = {name: count(device, "heat" if name == "heat_meter" else "total") for name, device in meters.items()}
    world.advance(midnight + HOUR)
    for name, device in meters.items():
        assert count(device, "settlement") - shown[name] in range(3)


def test_heat_is_flow_times_cooling() -> None:
    world, meters = building()
    meter = meters["heat_meter"]
    heat, volume = count(meter, "heat"), count(meter, "volume")
    world.advance(NOON + 4 * HOUR)
    values = {name: float(value) for name, value in meter.values.items() if value is not None}
    assert values["power"] == pytest.approx(values["flow"] * 1.1628 * (values["supply"] - values["return"]), rel=1e-3)
    litres, kilowatt_hours = 10.0 * (count(meter, "volume") - volume), (count(meter, "heat") - heat) / 100.0
    assert kilowatt_hours == pytest.approx(litres * 1.1628e-3 * (values["supply"] - values["return"]), rel=0.1)
    assert litres > 1000.0


def test_colder_days_bring_warmer_water() -> None:
    summer = int(datetime.fromisoformat("2026-07-15T12:00:00+08:00").timestamp() * 1000)
    supplies = [building(start_ms=start)[1]["heat_meter"].values["supply"] for start in (NOON, summer)]
    assert float(supplies[0] or 0) > float(supplies[1] or 0) + 10.0


def test_a_counter_that_begins_just_below_the_top_rolls_over_on_the_wire() -> None:
    world, meters = building(99_999_999)
    world.advance(NOON + 6 * HOUR)
    for name in ("water_meter", "gas_meter"):
        (reading, *_) = load_model(name).decode(Span(f"{meters[name].TYPE:02X}", METERING, 1), meters[name].record())
        assert reading.value == count(meters[name], "total") - 100_000_000
        assert reading.value >= 0


def test_what_outlives_a_restart_is_plain_json() -> None:
    world, meters = building()
    world.advance(NOON + HOUR)
    kept = json.loads(json.dumps(world.snapshot()))
    again, others = building()
    again.restore(kept)
    again.begin()
    for name, device in meters.items():
        for key in device.COUNTERS:
            assert count(others[name], key) == count(device, key)
