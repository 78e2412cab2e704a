import importlib
import math
from decimal import Decimal
from typing import Any

import pytest

from drivers.base import Span
from drivers.mbus.template import load_model
from protocols.mbus.frame import encode_frame
from protocols.mbus.telegram import encode_telegram
from protocols.mbus.values import Missing
from protocols.mbus.variable import parse_records
from protocols.quality import is_bad
from sim_devices.mbus.device import RecordsDevice
from sim_devices.models.base import Options
from sim_devices.models.catalog import BUILTIN
from sim_devices.world import World

METERS = sorted(name for name, model in BUILTIN.items() if issubclass(model, RecordsDevice))
START_MS = 1_782_041_400_000  # 2026-06-21 19:30 in Beijing
SECONDS = {"h": 3600}


def world(options: Options | None = None) -> World:
    made = World(3, START_MS)
    for model in METERS:
        made.add(model, model, options or Options(circuit=f"s/{model}"))
    made.begin()
    return made


def meter(here: World, name: str) -> RecordsDevice:
    device = here.devices[name]
    assert isinstance(device, RecordsDevice)
    return device


def frames(device: RecordsDevice) -> list[bytes]:
    header = device.header("12345678")
    return [encode_frame(encode_telegram(5, header, device.records(n))) for n in range(len(device.TELEGRAMS))]


@pytest.mark.parametrize("name", METERS)
def test_the_gateways_template_finds_in_the_telegrams_what_the_simulator_meant(name: str) -> None:
    """Template and simulator were written apart: this is where they meet."""
    here = world()
    model, device = load_model(name), meter(here, name)
    places = {place.name: place for telegram in device.TELEGRAMS for place in telegram}
    units = {"kWh": 1000, "kW": 1000, "kPa": 0.01}
    compared = 0
    for second in range(1, 30):
        here.advance(START_MS + 1000 * second)
        for reading in model.decode(Span("telegrams", 0, 10), b"".join(frames(device))):
            channel = model.channels[reading.channel]
            meant = device.values[channel.name]
            if meant is None:
                assert reading.value is None
                assert is_bad(reading.quality)
                continue
            assert reading.value is not None, channel.name
            shown = float(Decimal(reading.value).scaleb(channel.scale)) * units.get(channel.unit, 1)
            if channel.name in places:
                place = places[channel.name]
                step = 10.0**place.exponent
                value = float(meant) * step if place.counter else float(meant)
                finest = 10.0**channel.scale * units.get(channel.unit, 1)
                assert shown == pytest.approx(value, abs=0.51 * max(step, finest)), channel.name
            else:
                assert shown == meant
            compared += 1
    assert compared > 100


@pytest.mark.peer("M-Bus", "pyMeterBus", "reads our simulators' telegrams")
@pytest.mark.parametrize("name", METERS)
def test_pymeterbus_reads_the_simulators_telegrams_alike(name: str) -> None:
    meterbus: Any = importlib.import_module("meterbus")
    here = world()
    device = meter(here, name)
    compared = 0
    for second in range(1, 10):
        here.advance(START_MS + 1000 * second)
        for n, frame in enumerate(frames(device)):
            theirs = [each for each in meterbus.TelegramLong.parse(list(frame)).records if each.dib.parts[0] != 0x1F]
            for ours, their in zip(parse_records(device.records(n)).records, theirs, strict=True):
                if isinstance(ours.value, Missing):
                    continue
                assert isinstance(ours.value, int)
                if ours.quantity == "frequency":
                    continue  # behind FB, where pyMeterBus has reserved codes
                value = float(Decimal(ours.value).scaleb(ours.exponent)) * SECONDS.get(ours.unit, 1)
                assert math.isclose(value, float(their.parsed_value), rel_tol=1e-9)
                compared += 1
    assert compared > 20


@pytest.mark.parametrize("name", METERS)
def test_counters_only_rise_and_outlive_a_restart(name: str) -> None:
    here = world()
    here.advance(START_MS + 60_000)
    device = meter(here, name)
    counters = [place.name for telegram in device.TELEGRAMS for place in telegram if place.counter]
    before = {each: device.values[each] for each in counters}
    kept = device.snapshot()
    here.advance(START_MS + 600_000)
    for each in counters:
        now, then = device.values[each], before[each]
        assert isinstance(now, int)
        assert isinstance(then, int)
        assert now >= then
    again = world()
    meter(again, name).restore(kept)
    again.advance(START_MS + 1_000)
    for each in counters:
        value = meter(again, name).values[each]
        assert isinstance(value, int)
        assert value >= (before[each] or 0)


@pytest.mark.parametrize("name", METERS)
def test_a_counter_rolls_over_where_the_template_says(name: str) -> None:
    """From the simulator's last digit to the channel's: all nines, then 0."""
    here = World(3, START_MS)
    here.add(name, name, Options(counter=99_999_999, base_w=1_000.0))
    here.begin()
    device, model = meter(here, name), load_model(name)
    channel = model.channels[0]
    assert channel.rollover is not None
    seen = []
    for minute in range(20):
        here.advance(START_MS + 1_000 + 60_000 * minute)
        (reading, *_) = model.decode(Span("telegrams", 0, 10), b"".join(frames(device)))
        assert isinstance(reading.value, int)
        seen.append(reading.value)
    assert seen[0] == channel.rollover - channel.rollover // 100_000_000
    assert max(seen) < channel.rollover
    assert min(seen) < channel.rollover // 10


def test_a_heat_meter_counts_the_heat_that_it_shows() -> None:
    here = world()
    here.advance(START_MS + 1_000)
    device = meter(here, "mbus_heat_meter")
    begun, joules = device.snapshot()["heat_j"], 0.0
    for second in range(2, 302):
        here.advance(START_MS + 1000 * second)
        power = device.values["power"]
        assert isinstance(power, float)
        joules += power
    assert device.snapshot()["heat_j"] - begun == pytest.approx(joules, rel=1e-3)


def test_a_dead_probe_shows_as_no_value_and_as_an_error_in_the_status() -> None:
    here = world(Options(wear=1.0))
    device = meter(here, "mbus_heat_meter")
    here.advance(START_MS + 1_000)
    device.dead_s = 30.0  # type: ignore[attr-defined]
    here.advance(START_MS + 2_000)
    model = load_model("mbus_heat_meter")
    readings = {
        model.channels[each.channel].name: each
        for each in model.decode(Span("telegrams", 0, 10), b"".join(frames(device)))
    }
    assert readings["return"].value is None
    assert readings["fault"].value == 1
    assert readings["heat"].value is not None
