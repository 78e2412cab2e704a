import json
from datetime import datetime
from decimal import Decimal

import pytest

from agent.bus import planner
from drivers.dlt645.model import identifier
from drivers.dlt645.template import load_model, template_names
from sim_devices.dlt645.device import DataDevice
from sim_devices.models.base import Options
from sim_devices.models.catalog import BUILTIN
from sim_devices.models.electricity_meters import FLAT, PEAK, SHARP, VALLEY, rate
from sim_devices.world import World

EVENING = int(datetime.fromisoformat("2026-06-21T17:00:00+08:00").timestamp() * 1000)
HOUR = 3_600_000


def street(counter: int | None = None) -> tuple[World, DataDevice, DataDevice]:
    world = World(5, EVENING)
    meter = world.add("meter", "dlt645_meter_1p", Options(circuit="s/1", counter=counter))
    feeder = world.add("feeder", "dlt645_meter_3p", Options(circuit="s", counter=counter))
    world.begin()
    assert isinstance(meter, DataDevice)
    assert isinstance(feeder, DataDevice)
    return world, meter, feeder


def number(device: DataDevice, name: str) -> int:
    value = device.values[name]
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("name", template_names())
def test_the_gateways_template_finds_in_the_frames_what_the_simulator_meant(name: str) -> None:
    """Template and simulator were written apart from one list: this is where they meet, blocks and all."""
    world, *meters = street()
    model = load_model(name)
    (device,) = (each for each in meters if name == each.MODEL)
    for second in range(1, 30):
        world.advance(EVENING + 1000 * second)
        seen = set()
        for request in planner.plan(model.points, model.limits):
            for reading in model.decode(request.span, device.read(identifier(request.span))):
                channel = model.channels[reading.channel]
                meant = device.values[channel.name]
                assert meant is not None
                assert reading.value is not None
                if channel.rollover:
                    assert reading.value == meant
                else:
                    shown = Decimal(reading.value).scaleb(channel.scale)
                    assert float(shown) == pytest.approx(float(meant), abs=0.51 * 10.0**channel.scale)
                seen.add(channel.name)
        assert seen == {channel.name for channel in model.channels} == set(device.values)


def test_energy_is_the_sum_of_the_power_that_was_shown() -> None:
    world, meter, _ = street()
    before, joules = number(meter, "energy"), 0.0
    for minute in range(240):
        power = meter.values["power"]
        assert isinstance(power, float)
        for second in range(1, 61):
            shown = meter.values["power"]
            assert isinstance(shown, float)
            joules += 1000.0 * shown
            world.advance(EVENING + 60_000 * minute + 1000 * second)
    assert number(meter, "energy") - before == pytest.approx(joules / 36_000.0, abs=1.0)


def test_the_rates_add_up_and_only_that_of_the_hour_grows() -> None:
    world, _, feeder = street()
    world.advance(EVENING + 2 * HOUR + 1000)
    before = [number(feeder, f"energy_rate_{n}") for n in range(1, 5)]
    world.advance(EVENING + 4 * HOUR - 1000)  # 19:00 to 21:00 is sharp
    after = [number(feeder, f"energy_rate_{n}") for n in range(1, 5)]
    assert after[0] > before[0]
    assert after[1:] == before[1:]
    assert number(feeder, "energy_import") - sum(after) in range(4)


@pytest.mark.parametrize(
    ("hour", "found"),
    [(0.0, VALLEY), (6.9, VALLEY), (7.0, FLAT), (10.0, PEAK), (19.5, SHARP), (21.5, PEAK), (23.0, VALLEY)],
)
def test_every_hour_has_its_rate(hour: float, found: int) -> None:
    assert rate(hour) == found


def test_a_counter_that_begins_just_below_the_top_rolls_over_on_the_wire() -> None:
    world, meter, feeder = street(99_999_999)
    model = load_model("dlt645_meter_1p")
    assert meter.read(0x00010000) == bytes.fromhex("99999999")
    world.advance(EVENING + HOUR)
    grown = number(meter, "energy") - 100_000_000
    assert grown >= 0
    (reading,) = model.decode(planner.plan(model.points[:1], model.limits)[0].span, meter.read(0x00010000))
    assert reading.value == grown
    assert feeder.read(0x00010000)[3] == 0


@pytest.mark.parametrize("name", template_names())
def test_what_outlives_a_restart_is_plain_json(name: str) -> None:
    assert name in BUILTIN
    world, *meters = street(99_999_990)
    world.advance(EVENING + HOUR)
    (device,) = (each for each in meters if name == each.MODEL)
    kept = json.loads(json.dumps(world.snapshot()))
    again, *others = street()
    again.restore(kept)
    again.begin()
    (other,) = (each for each in others if name == each.MODEL)
    assert {key: other.values[key] for key in other.values if "energy" in key} == {
        key: device.values[key] for key in device.values if "energy" in key
    }
