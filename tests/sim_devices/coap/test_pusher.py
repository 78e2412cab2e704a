"""A simulated sensor against the gateway's own server, over real sockets."""

import asyncio

import pytest

from drivers.base import Nonsense, Report, Stranger
from drivers.coap.listener import CoapListener
from drivers.coap.model import load_model
from drivers.coap.settings import Access
from sim_devices.clock import Clock
from sim_devices.coap import pusher
from sim_devices.coap.pusher import Pusher, Sensors
from sim_devices.faults import Fault, Faults, Kind
from sim_devices.models.base import Device, Options, Unit
from sim_devices.world import World
from tests.drivers.coap.conftest import free_port

UNIT = "urn:dev:mac:0024befffe804ff1"


class Rig:
    def __init__(self, port: int, faults: Faults) -> None:
        clock = Clock()
        world = World(1, clock.now().sim_ms)
        self.device = world.add("D1", "climate_sensor", Options())
        world.begin()
        units: dict[Unit, Device] = {UNIT: self.device}
        self.sensors = Sensors(units, faults, world.advance)
        self.server = Pusher("air", "127.0.0.1", port, self.sensors, clock.now)


async def heard(monkeypatch: pytest.MonkeyPatch, faults: Faults | None = None) -> Report:
    """The first report that the gateway's server takes of a simulated sensor."""
    monkeypatch.setattr(pusher, "LOOK_S", 0.02)
    port = free_port()
    model = load_model("climate_sensor")
    listener = CoapListener(f"127.0.0.1:{port}", Access({}, plain=True), {UNIT: model})
    await listener.open()
    rig = Rig(port, faults or Faults(1))
    await rig.server.start()
    try:
        async with asyncio.timeout(10):
            report: Report = await listener.next()
            return report
    finally:
        await rig.server.close()
        await listener.close()


async def test_the_gateway_reads_what_the_sensor_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    report = await heard(monkeypatch)
    ((age, readings),) = report.moments
    assert report.unit == UNIT
    assert 0 <= age < 1000
    temperature, humidity, battery = (reading.value for reading in readings)
    assert temperature is not None
    assert humidity is not None
    assert battery is not None
    assert -4000 < temperature < 6000
    assert 0 <= humidity <= 1000
    assert 3000 < battery <= 3600


async def test_a_spoilt_pack_is_told_to_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults(1)
    faults.add("D1", Fault(Kind.WRONG_CRC))
    with pytest.raises(Nonsense):
        await heard(monkeypatch, faults)


async def test_a_sensor_in_anothers_name_is_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults(1)
    faults.add("D1", Fault(Kind.WRONG_UNIT))
    with pytest.raises(Stranger):
        await heard(monkeypatch, faults)
