import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dlt645 import MeterClientService  # type: ignore[import-untyped]

from protocols.dlt645.frame import WILDCARD, Frame, FrameDecoder, encode_frame
from protocols.dlt645.messages import Data, ReadAddress, ReadData, ReadNext, Refusal, Reply, Request, parse_reply
from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA
from sim_devices.clock import Now
from sim_devices.config import BusConfig, Config, DeviceConfig
from sim_devices.dlt645.device import DataDevice
from sim_devices.dlt645.session import PROTOCOL, Slaves
from sim_devices.faults import Fault, Faults, Kind, Send
from sim_devices.models.base import Device, Options, Unit
from sim_devices.simulation import Simulation
from sim_devices.world import World

START_MS = 1_782_041_400_000
NOW = Now(0.0, START_MS, START_MS)
SINGLE, THREE = "000000000161", "558890213594"


class Bench:
    """Two meters on a line, asked without a socket."""

    def __init__(self) -> None:
        self.world = World(1, START_MS)
        self.devices: dict[Unit, Device] = {
            SINGLE: self.world.add("single", "dlt645_meter_1p", Options(counter=79_999_999)),
            THREE: self.world.add("three", "dlt645_meter_3p", Options(circuit="s")),
        }
        self.world.begin()
        self.faults = Faults(1)
        self.said: list[tuple[Unit, Any]] = []
        self.slaves = Slaves(self.devices, self.faults, self.world.advance, self._record)
        self.talk = self.slaves.converse("pty")

    def _record(self, _now: Now, unit: Unit, _device: Device, said: Any, _fault: Fault | None) -> None:
        self.said.append((unit, said))

    def sends(self, request: Request, unit: str = SINGLE) -> list[Send]:
        return self.talk.receive(encode_frame(request.frame(unit)), NOW)

    def ask(self, request: Request, unit: str = SINGLE) -> Reply:
        (send,) = self.sends(request, unit)
        return parse_reply(decoded(send.data), request)


def decoded(data: bytes) -> Frame:
    decoder = FrameDecoder()
    decoder.receive_data(data)
    frame = decoder.next_frame()
    assert frame is not NEED_DATA
    return frame


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_datum_is_answered_by_its_meter_alone(bench: Bench) -> None:
    assert bench.ask(ReadData(0x00010000)) == Data(0x00010000, bytes.fromhex("99999979"))
    assert bench.sends(ReadData(0x00010000), "000000000162") == []
    assert bench.slaves.requests == {"single": 1, "three": 0}
    assert bench.said == [(SINGLE, {"di": "00010000", "data": "99999979"})]


def test_what_a_meter_lacks_is_error_02(bench: Bench) -> None:
    assert bench.ask(ReadData(0x0201FF00)) == Refusal(0x02)
    assert bench.ask(ReadNext(0x00010000, 1)) == Refusal(0x02)


def test_a_meter_alone_on_its_line_tells_its_address_and_of_two_none_does(bench: Bench) -> None:
    assert bench.sends(ReadAddress(), WILDCARD) == []
    alone = Slaves({SINGLE: bench.devices[SINGLE]}, bench.faults, bench.world.advance)
    (send,) = alone.converse("pty").receive(encode_frame(ReadAddress().frame(WILDCARD)), NOW)
    assert decoded(send.data) == Frame(SINGLE, 0x93, bytes.fromhex("610100000000"))


def test_long_data_come_in_several_frames(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_devices.dlt645.session.MOST_IN_FRAME", 8)
    device = bench.devices[THREE]
    assert isinstance(device, DataDevice)
    whole = device.read(0x0001FF00)
    first = bench.ask(ReadData(0x0001FF00), THREE)
    second = bench.ask(ReadNext(0x0001FF00, 1), THREE)
    third = bench.ask(ReadNext(0x0001FF00, 2), THREE)
    assert (first, second, third) == (
        Data(0x0001FF00, whole[:8], more=True),
        Data(0x0001FF00, whole[8:16], more=True),
        Data(0x0001FF00, whole[16:]),
    )


def test_half_a_request_and_noise_are_let_go(bench: Bench) -> None:
    request = encode_frame(ReadData(0x00010000).frame(SINGLE))
    assert bench.talk.receive(b"\x00\x68\xff" + request[:9], NOW) == []
    assert bench.talk.idle(NOW) == []
    assert len(bench.talk.receive(request, NOW)) == 1


def test_what_such_a_meter_does_not_serve_it_does_not_answer(bench: Bench) -> None:
    assert bench.talk.receive(encode_frame(Frame(SINGLE, 0x08, bytes(6))), NOW) == []


@pytest.mark.parametrize(
    ("kind", "count"),
    [(Kind.SILENT, 0), (Kind.DUPLICATE, 2), (Kind.LATE, 1), (Kind.NOISY, 1), (Kind.SLOW, 1), (Kind.DISCONNECT, 1)],
)
def test_every_fault_acts_on_a_meter(bench: Bench, kind: Kind, count: int) -> None:
    bench.faults.add("single", Fault(kind))
    sends = bench.sends(ReadData(0x00010000))
    assert len(sends) == count
    if kind not in (Kind.SILENT, Kind.DISCONNECT):
        assert isinstance(parse_reply(decoded(sends[0].data), ReadData(0x00010000)), Data)


def test_a_spoiled_sum_is_refused_and_a_neighbours_name_is_another(bench: Bench) -> None:
    bench.faults.add("single", Fault(Kind.WRONG_CRC))
    (send,) = bench.sends(ReadData(0x00010000))
    decoder = FrameDecoder()
    decoder.receive_data(send.data)
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="sum"):
        decoder.next_frame()
    bench.faults.clear()
    bench.faults.add("single", Fault(Kind.WRONG_UNIT))
    (send,) = bench.sends(ReadData(0x00010000))
    assert decoded(send.data).address == "000000000162"


def test_an_exception_is_a_refusal_with_the_code_asked_for(bench: Bench) -> None:
    bench.faults.add("single", Fault(Kind.EXCEPTION, code=4))
    assert bench.ask(ReadData(0x00010000)) == Refusal(4)


@pytest.mark.parametrize("unit", [161, "161", WILDCARD, "00000000016x"])
def test_a_unit_is_twelve_digits(unit: Unit) -> None:
    assert PROTOCOL.unit(SINGLE) == SINGLE
    with pytest.raises(ValueError, match="12 digits"):
        PROTOCOL.unit(unit)


@pytest.fixture
async def served() -> AsyncIterator[Simulation]:
    devices = (DeviceConfig("single", "Meter", "dlt645_meter_1p", SINGLE, Options(counter=79_999_999)),)
    bus = BusConfig("meters", "serial-over-tcp", "dlt645", devices=devices)
    async with Simulation(Config(Path("x"), buses=(bus,))) as simulation:
        yield simulation


@pytest.mark.peer("DL/T 645-2007", "dlt645", "its client reads our simulator over TCP")
async def test_the_client_of_the_package_dlt645_reads_the_simulator(served: Simulation) -> None:
    host, _, port = served.servers[0].address.rpartition(":")
    device = served.world.devices["single"]

    def read() -> dict[str, Any]:
        client = MeterClientService.new_tcp_client(host, int(port), 3.0)
        # Its text is the bytes of the wire: the other way round than the meter's plate.
        assert client.set_address("610100000000")
        found = {
            "address": client.read_address(),
            "energy": client.read_00(0x00010000),
            "voltage": client.read_02(0x02010100),
            "power": client.read_02(0x02030000),
            "frequency": client.read_02(0x02800002),
            "lacking": client.read_02(0x02010200),
        }
        client.client.disconnect()
        return {name: item if item is None else item.value for name, item in found.items()}

    found = await asyncio.to_thread(read)
    assert found["address"] in (SINGLE, "610100000000")
    assert found["energy"] == 799_999.99
    assert found["lacking"] is None
    for name, place in (("voltage", 1), ("power", 4), ("frequency", 2)):
        meant = device.values[name]
        assert meant is not None
        assert found[name] == pytest.approx(round(float(meant), place), abs=2.0)
