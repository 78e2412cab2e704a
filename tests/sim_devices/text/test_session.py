"""Lines of simulated devices, read by the gateway's own templates and lines over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from drivers.base import Nonsense, Readings, Span, Unreachable
from drivers.lines.line import TextLine
from drivers.lines.model import LinesModel, load_model
from drivers.transport.tcp_stream import TcpStream
from protocols.quality import Quality
from sim_devices.clock import Clock, Now
from sim_devices.faults import Fault, Faults, Kind
from sim_devices.models.base import Device, Options, Unit
from sim_devices.servers import TcpServer
from sim_devices.text.session import Slaves
from sim_devices.world import World

MODELS = {"line_weather_station": "weather_station", "anemometer": "anemometer", "distance_gauge": "distance_gauge"}


class Rig:
    def __init__(self, simulated: str, unit: Unit) -> None:
        self.unit = unit
        self.model: LinesModel = load_model(MODELS[simulated])
        self.faults = Faults(1)
        self.start_ms = Clock().now().sim_ms
        self.world = World(1, self.start_ms)
        self.device: Device = self.world.add("D1", simulated, Options())
        self.world.begin()
        self.slaves = Slaves({unit: self.device}, self.faults, self.world.advance)
        self.line: TextLine

    @property
    def span(self) -> Span:
        return Span(*self.model.points[0][:3])

    async def read(self, timeout: float = 0.5) -> Readings:
        return self.model.decode(self.span, await self.line.read(self.unit, self.span, timeout))


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    server = TcpServer("text", "127.0.0.1", 0, rig.slaves, Clock().now, kind="serial-over-tcp")
    await server.start()
    rig.line = TextLine(TcpStream(server.address))
    await rig.line.open()
    try:
        yield rig
    finally:
        await rig.line.close()
        await server.close()


@pytest.mark.parametrize(
    ("simulated", "unit"), [("line_weather_station", "0"), ("anemometer", 1), ("distance_gauge", "07")]
)
def test_the_gateways_template_finds_in_the_lines_what_the_simulator_meant(simulated: str, unit: Unit) -> None:
    """Template and simulator were written apart: this is where they meet."""
    rig = Rig(simulated, unit)
    compared, now = 0, Now(0.0, rig.start_ms, rig.start_ms)
    for second in range(1, 1500):
        rig.world.advance(rig.start_ms + 1000 * second)
        sends = rig.slaves.speak(now) or rig.slaves.answer(b"?07", now)
        assert isinstance(rig.span.space, str)
        raw = rig.model.entries[0].sentence.extract(sends[0].data.rstrip(b"\r\n"), unit)
        assert raw is not None
        for reading in rig.model.decode(rig.span, raw):
            channel = rig.model.channels[reading.channel]
            meant = rig.device.values[channel.name] if channel.name != "rain" else rig.device.rain_mm  # type: ignore[attr-defined]
            if meant is None:
                assert (reading.value, reading.quality) == (None, Quality.BAD_NO_DATA)
                continue
            assert reading.value is not None
            step = 10.0**channel.scale if channel.name != "pressure" else 10.0
            assert reading.value * 10.0**channel.scale == pytest.approx(float(meant), abs=0.51 * step)
            compared += 1
    assert compared > 2000


async def test_a_device_that_answers_is_read_over_a_socket() -> None:
    async with running(Rig("distance_gauge", "07")) as rig:
        distance, temperature = await rig.read()
        assert (distance.quality, temperature.quality) == (0, 0)
        assert rig.slaves.requests["D1"] == 1


async def test_a_device_that_speaks_of_itself_is_heard_over_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_devices.models.line_devices.Anemometer.EVERY_S", 0.05)
    async with running(Rig("anemometer", 1)) as rig:
        assert len([await rig.read(2) for _ in range(3)]) == 3


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.SILENT, Unreachable),
        (Kind.LATE, Unreachable),
        (Kind.WRONG_UNIT, Unreachable),
        (Kind.EXCEPTION, Unreachable),
        (Kind.WRONG_CRC, Nonsense),
    ],
)
async def test_each_fault_is_met_with_its_cause(kind: Kind, error: type[Exception]) -> None:
    async with running(Rig("distance_gauge", "07")) as rig:
        rig.faults.add("D1", Fault(kind))
        with pytest.raises(error):
            await rig.read(0.1)
        rig.faults.clear()
        assert len(await rig.read()) == 2


async def test_a_spoilt_sum_of_nmea_is_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_devices.models.line_devices.Anemometer.EVERY_S", 0.05)
    async with running(Rig("anemometer", 1)) as rig:
        rig.faults.add("D1", Fault(Kind.WRONG_CRC))
        with pytest.raises(Nonsense, match="checksum"):
            await rig.read(0.2)


@pytest.mark.parametrize("kind", [Kind.DUPLICATE, Kind.SLOW])
async def test_a_fault_that_leaves_the_line_readable_costs_nothing(kind: Kind) -> None:
    async with running(Rig("distance_gauge", "07")) as rig:
        rig.faults.add("D1", Fault(kind, delay_s=0.05))
        assert [len(await rig.read()) for _ in range(5)] == [2] * 5


async def test_garbage_around_a_line_is_never_taken_for_a_value() -> None:
    async with running(Rig("distance_gauge", "07")) as rig:
        rig.faults.add("D1", Fault(Kind.NOISY))
        for _ in range(5):
            with suppress(Nonsense, Unreachable):
                assert {reading.quality for reading in await rig.read(0.05)} == {0}
        rig.faults.clear()
        assert len(await rig.read()) == 2
