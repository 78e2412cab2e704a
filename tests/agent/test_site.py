from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent import config, site
from agent.settings import Config
from agent.toml import ConfigError
from drivers import catalog
from protocols import citycode
from protocols.citycode import geosot
from protocols.edge.birth import decode_description
from protocols.edge.columns import F32LE
from protocols.edge.messages import MAX_PAYLOAD, Birth, Clock, ClockState, Origin, decode, encode

Write = Callable[..., Path]
MORE = """position = [40.0707, 116.3364]
mount = "{mount}"
[bus.device.channel.power]
window_s = 10
decimate = 5
"""


def build(path: Path) -> site.Site:
    return site.build(config.load(path, {}, catalog.BUILTIN))


def test_the_birth_describes_every_channel_under_its_own_alias(write_config: Write) -> None:
    mount = citycode.mint("B", "1101140118000123").text
    built = build(write_config(devices=3, more=MORE.format(mount=mount)))
    described = decode_description(built.description)
    first, _, last = described.devices
    assert (first.cell, first.mount, first.bus, first.model) == (None, None, "street", "meter_1p")
    assert last.mount == mount
    assert last.cell is not None
    level, cell = last.cell
    bounds = geosot.decode(cell, level)
    assert level == 23
    assert geosot.encode(40.0707, 116.3364, 23) == cell
    assert bounds is not None
    assert [channel.alias for channel in described.channels] == list(range(3 * 7 + 4))
    names = [channel.name for channel in described.channels if channel.device == 2]
    assert names[7:] == ["power.mean", "power.min", "power.max", "power.std"]
    periods = {channel.name: channel.period_ms for channel in described.channels if channel.device == 2}
    assert (periods["voltage"], periods["power"], periods["power.mean"]) == (100, 500, 10_000)
    assert {channel.tag for channel in described.channels if channel.name == "power.mean"} == {F32LE}


def test_equal_files_give_equal_births_and_another_channel_another(write_config: Write) -> None:
    first = build(write_config()).description_hash
    assert build(write_config()).description_hash == first
    assert build(write_config(more="[bus.device.channel.power]\nwindow_s = 10\n")).description_hash != first


def test_every_device_and_channel_can_be_aimed_at(write_config: Write) -> None:
    built = build(write_config(devices=3))
    for (device,) in zip(built.devices[0], strict=True):
        for name, target in built.targets[device.code].items():
            assert built.devices[target.bus][target.device].code == device.code
            assert device.model.channels[target.number].name == name
    assert [device.index for device in built.devices[0]] == [0, 1, 2]


TEMPLATES = sorted(path.stem for path in (Path(catalog.__file__).parent / "templates" / "modbus").glob("*.toml"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_makes_a_birth(write_config: Write, name: str) -> None:
    path = write_config(devices=1)
    path.write_text(path.read_text().replace("meter_1p", name))
    assert decode_description(build(path).description).devices[0].model == name


def many(path: Path, count: int, name: str) -> Config:
    """The configuration at `path`, with its one device `count` times over."""
    path.write_text(path.read_text().replace("meter_1p", "lamp_controller"))
    loaded = config.load(path, {}, catalog.BUILTIN)
    (bus,), (device,) = loaded.buses, loaded.buses[0].devices
    codes = [citycode.mint("D", f"1101149001{serial:06d}").text for serial in range(count)]
    devices = tuple(replace(device, code=code, name=f"{name} {serial}") for serial, code in enumerate(codes))
    return replace(loaded, buses=(replace(bus, devices=devices),))


def test_the_largest_gateway_fits_one_birth(write_config: Write) -> None:
    built = site.build(many(write_config(devices=1), config.MAX_DEVICES, "长安街灯杆"))
    birth = Birth(Origin("D1101149001000077A", 1, 1, bytes(16), 0, Clock(ClockState.UNSET)), built.description)
    payload = encode(birth)
    assert len(built.description) > MAX_PAYLOAD > len(payload)
    assert decode(payload) == birth


@pytest.mark.parametrize(("count", "name"), [(config.MAX_DEVICES + 1, "lamp"), (1, "NUL\0"), (1, "long" * 60)])
def test_what_the_fleet_would_refuse_is_refused_before_it_is_sent(write_config: Write, count: int, name: str) -> None:
    path = write_config(devices=1)
    with pytest.raises(ConfigError, match="no birth can describe"):
        site.build(many(path, count, name))
