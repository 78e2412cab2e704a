"""What holds for every model alike."""

import json

import pytest

from drivers.base import Reading, Span
from drivers.modbus.decode import Entry
from drivers.modbus.template import load_model
from protocols.quality import is_bad
from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Table
from sim_devices.models.base import Device, Options
from sim_devices.models.catalog import BUILTIN
from sim_devices.world import World
from tests.sim_devices.slaves import slave

REGISTERS = {name: model for name, model in BUILTIN.items() if issubclass(model, RegisterDevice)}
START_MS = 1_782_041_400_000  # 2026-06-21 19:30 in Beijing


def world(seed: int = 3) -> World:
    made = World(seed, START_MS)
    for model in BUILTIN:
        made.add(model, model, Options(circuit=f"s/{model}", section="t/1"))
    made.begin()
    return made


def raw(device: Device, table: Table, address: int, length: int) -> bytes:
    words = slave(device).read(table, address, length)
    if table in (Table.COIL, Table.DISCRETE):
        return sum(bit << index for index, bit in enumerate(words)).to_bytes((length + 7) // 8, "little")
    return b"".join(word.to_bytes(2, "big") for word in words)


@pytest.mark.parametrize("name", sorted(REGISTERS))
def test_the_gateways_template_finds_in_the_registers_what_the_simulator_meant(name: str) -> None:
    """Template and simulator were written apart from one list: this is where they meet."""
    here = world()
    model, device = load_model(name), here.devices[name]
    fields = {each.name: each for each in slave(device).LAYOUT.fields}
    compared = 0
    for second in range(1, 40):
        here.advance(START_MS + 1000 * second)
        for point in model.points:
            data = raw(device, Table(point.space), point.address, point.length)
            for reading in model.decode(Span(point.space, point.address, point.length), data):
                channel = model.channels[reading.channel]
                if channel.name not in device.values:
                    _assert_bits_of_a_word(device, model.entries[reading.channel], reading)
                    continue
                meant = device.values[channel.name]
                if meant is None or meant != meant:
                    assert reading.value is None
                    assert is_bad(reading.quality)
                    continue
                assert reading.value is not None
                # Counters stand in counts of their register, which the template's scale leaves as they are.
                step = fields[channel.name].step
                shown = reading.value if step == 1.0 else reading.value * 10.0**channel.scale
                assert shown == pytest.approx(float(meant), abs=0.51 * step + 1e-6 * abs(float(meant)))
                compared += 1
    assert compared > 100


def _assert_bits_of_a_word(device: Device, entry: Entry, reading: Reading) -> None:
    (field,) = (
        each
        for each in slave(device).LAYOUT.fields
        if (each.table, each.address, each.type) == (str(entry.table), entry.address, entry.type)
    )
    assert entry.bits is not None, f"{entry.channel.name} is no value of the simulator"
    lowest, width = entry.bits
    assert reading.value == int(device.values[field.name] or 0) >> lowest & (1 << width) - 1


@pytest.mark.parametrize("name", sorted(REGISTERS))
def test_every_writable_channel_of_the_template_is_writable_here_and_no_other(name: str) -> None:
    writable = {channel.name for channel in load_model(name).channels if channel.writable}
    assert writable == REGISTERS[name].LAYOUT.writable


@pytest.mark.parametrize("name", sorted(REGISTERS))
def test_what_outlives_a_restart_is_plain_json(name: str) -> None:
    here = world()
    here.advance(START_MS + 60_000)
    kept = json.loads(json.dumps(here.devices[name].snapshot()))
    assert set(kept) == set(REGISTERS[name].KEPT)


def test_a_written_value_is_read_back_from_its_place_at_once() -> None:
    lamp = slave(world().devices["lamp_controller"])
    lamp.write(Table.HOLDING, 0, [42])
    lamp.write(Table.COIL, 0, [1])
    assert lamp.read(Table.HOLDING, 0, 1) == [42]
    assert lamp.read(Table.COIL, 0, 1) == [1]


def test_a_sensor_without_its_section_says_so() -> None:
    made = World(1, START_MS)
    made.add("x", "gas_head", Options())
    with pytest.raises(AssertionError, match="needs a section"):
        made.begin()
