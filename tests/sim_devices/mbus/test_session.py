import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers.base import DeviceError, LineConfig, Refused, Span, Unit
from drivers.mbus.family import OVER_TCP, SERIAL
from drivers.mbus.template import load_model
from protocols.mbus.codes import FCB, REQ_UD2
from protocols.mbus.decoder import FrameDecoder
from protocols.mbus.frame import Ack, Frame, LongFrame, ShortFrame, encode_frame
from protocols.mbus.header import Secondary
from protocols.mbus.requests import initialise, request_data, select
from protocols.mbus.telegram import Telegram, parse_telegram
from protocols.stream import NEED_DATA
from sim_devices.clock import Now
from sim_devices.faults import Fault, Faults, Kind
from sim_devices.mbus.session import PROTOCOL, Slaves
from sim_devices.models.base import Device, Options
from sim_devices.servers import PtyServer, TcpServer
from sim_devices.world import World

START_MS = 1_782_041_400_000
NOW = Now(100.0, START_MS, START_MS + 5_000)
UNITS: dict[Unit, str] = {5: "mbus_heat_meter", "12345678": "mbus_water_meter", 7: "mbus_electricity_meter"}


class Bench:
    """Meters on a line, asked without sockets."""

    def __init__(self) -> None:
        self.world = World(3, START_MS)
        devices: dict[Unit, Device] = {unit: self.world.add(model, model, Options()) for unit, model in UNITS.items()}
        self.world.begin()
        self.faults = Faults(3)
        self.journal: list[tuple[Unit, str | None]] = []
        self.slaves = PROTOCOL.gather(devices, self.faults, self.world.advance, self._record)
        self.conversation = self.slaves.converse("pty")

    def _record(self, _now: Now, unit: Unit, _device: Device, _said: object, fault: Fault | None) -> None:
        self.journal.append((unit, None if fault is None else str(fault.kind)))

    def ask(self, frame: Frame) -> list[Frame]:
        decoder = FrameDecoder()
        for send in self.conversation.receive(encode_frame(frame), NOW):
            decoder.receive_data(send.data)
        found: list[Frame] = []
        while (answer := decoder.next_frame()) is not NEED_DATA:
            found.append(answer)
        return found


def told(frames: list[Frame]) -> Telegram:
    (frame,) = frames
    assert isinstance(frame, LongFrame)
    telegram = parse_telegram(frame)
    assert isinstance(telegram, Telegram)
    return telegram


def test_a_meter_repeats_under_the_same_count_and_goes_on_under_the_other() -> None:
    bench = Bench()
    assert bench.ask(initialise(5)) == [Ack()]
    first = told(bench.ask(request_data(5, True)))
    assert first.more
    assert told(bench.ask(request_data(5, True))) == first
    second = told(bench.ask(request_data(5, False)))
    assert not second.more
    assert second.header.access == first.header.access + 1
    assert bench.ask(initialise(5)) == [Ack()]
    assert told(bench.ask(request_data(5, True))).more


def test_only_the_selected_meter_answers_at_253() -> None:
    bench = Bench()
    assert bench.ask(request_data(253, True)) == []
    assert bench.ask(select(Secondary.parse("12345678"))) == [Ack()]
    assert told(bench.ask(request_data(253, True))).header.number == "12345678"
    assert bench.ask(select(Secondary.parse("00000007"))) == [Ack()]
    assert told(bench.ask(request_data(253, True))).header.medium == 2
    assert bench.ask(select(Secondary.parse("99999999"))) == []
    assert bench.ask(request_data(253, True)) == []


def test_wildcards_select_several_and_an_initialisation_of_253_none() -> None:
    bench = Bench()
    assert bench.ask(select(Secondary.parse("FFFFFFFF"))) == [Ack()] * 3
    assert bench.ask(select(Secondary.parse("FFFFFFFFFFFFFF16"))) == [Ack()]
    assert bench.ask(initialise(253)) == [Ack()]
    assert bench.ask(request_data(253, True)) == []


@pytest.mark.parametrize(
    "frame", [ShortFrame(0x40, 9), ShortFrame(0x49, 5), ShortFrame(0x08, 5), Ack(), LongFrame(0x53, 5, 0x51)]
)
def test_what_is_not_for_a_meter_is_not_answered(frame: Frame) -> None:
    assert Bench().ask(frame) == []


def test_every_kind_of_fault_changes_what_goes_out() -> None:
    for kind in Kind:
        bench = Bench()
        device = bench.slaves.units[7].code
        assert bench.ask(initialise(7)) == [Ack()]
        bench.faults.add(device, Fault(kind))
        sends = bench.conversation.receive(encode_frame(ShortFrame(REQ_UD2 | FCB, 7)), NOW)
        plain = Bench()
        plain.ask(initialise(7))
        assert sends != plain.conversation.receive(encode_frame(ShortFrame(REQ_UD2 | FCB, 7)), NOW), kind


def test_the_journal_has_what_was_told() -> None:
    bench = Bench()
    bench.ask(initialise(7))
    bench.ask(request_data(7, True))
    assert bench.journal == [(7, None)]
    assert bench.slaves.requests["mbus_electricity_meter"] == 2


@pytest.mark.parametrize("given", [251, -1, "1234567", "1234567G", "12345678FFFFFFFF"])
def test_a_unit_that_is_none_is_refused(given: Unit) -> None:
    with pytest.raises(ValueError):
        PROTOCOL.unit(given)


@asynccontextmanager
async def served(bench: Bench, kind: str, folder: Path) -> AsyncIterator[str]:
    assert isinstance(bench.slaves, Slaves)
    server: PtyServer | TcpServer
    if kind == "pty":
        server = PtyServer("meters", folder / "ttyMBUS", 0, bench.slaves, lambda: NOW)
    else:
        server = TcpServer("meters", "127.0.0.1", 0, bench.slaves, lambda: NOW, kind=kind)
    await server.start()
    try:
        yield server.address
    finally:
        await server.close()


@pytest.mark.parametrize("kind", ["pty", "serial-over-tcp"])
async def test_the_driver_reads_the_simulator_and_under_faults_never_a_wrong_value(kind: str, tmp_path: Path) -> None:
    """The world stands still, so each value is known; whatever comes is that or a quality."""
    bench = Bench()
    async with served(bench, kind, tmp_path) as address:
        family = SERIAL if kind == "pty" else OVER_TCP
        line = family.create_line(LineConfig("mbus", address, 38400, "E", 1))
        await line.open()
        try:
            truth = {}
            for unit, name in UNITS.items():
                model = load_model(name)
                readings = model.decode(Span("telegrams", 0, 10), await line.read(unit, Span("telegrams", 0, 10), 1.0))
                assert set(readings.qualities) == {0}
                truth[unit] = readings.values
            for fault in (Kind.NOISY, Kind.WRONG_CRC, Kind.WRONG_UNIT, Kind.DUPLICATE, Kind.SILENT, Kind.EXCEPTION):
                for name in UNITS.values():
                    bench.faults.add(name, Fault(fault, probability=0.4))
                for _ in range(2):
                    for unit, name in UNITS.items():
                        try:
                            raw = await line.read(unit, Span("telegrams", 0, 10), 0.05)
                        except DeviceError:
                            continue
                        assert load_model(name).decode(Span("telegrams", 0, 10), raw).values == truth[unit]
                bench.faults.clear()
            for unit in UNITS:
                await line.read(unit, Span("telegrams", 0, 10), 1.0)
        finally:
            await line.close()


async def test_a_refusal_of_the_simulator_reaches_the_driver_with_its_code(tmp_path: Path) -> None:
    bench = Bench()
    bench.faults.add("mbus_electricity_meter", Fault(Kind.EXCEPTION, code=8))
    async with served(bench, "serial-over-tcp", tmp_path) as address:
        line = OVER_TCP.create_line(LineConfig("mbus-over-tcp", address))
        await line.open()
        try:
            with pytest.raises(Refused, match="busy"):
                await line.read(7, Span("telegrams", 0, 10), 1.0)
        finally:
            await line.close()


@pytest.mark.peer("M-Bus", "pyMeterBus", "as a master on a serial port, reads our simulators, by selection too")
async def test_pymeterbus_as_a_master_reads_the_simulator(tmp_path: Path) -> None:
    meterbus: Any = importlib.import_module("meterbus")
    bench = Bench()

    def read(path: str) -> list[Any]:
        with serial.Serial(path, 2400, parity=serial.PARITY_EVEN, timeout=1.0) as port:
            meterbus.send_ping_frame(port, 5)
            assert isinstance(meterbus.load(meterbus.recv_frame(port, 1)), meterbus.TelegramACK)
            meterbus.send_request_frame_multi(port, 5)
            heat = meterbus.TelegramLong.parse(list(meterbus.recv_frame(port, 6)))
            meterbus.send_select_frame(port, "12345678FFFFFFFF")
            assert isinstance(meterbus.load(meterbus.recv_frame(port, 1)), meterbus.TelegramACK)
            meterbus.send_request_frame(port, meterbus.ADDRESS_NETWORK_LAYER)
            water = meterbus.TelegramLong.parse(list(meterbus.recv_frame(port, 6)))
        return [heat, water]

    async with served(bench, "pty", tmp_path) as address:
        heat, water = await asyncio.to_thread(read, address)
    shown = bench.slaves.units[5].values, bench.slaves.units["12345678"].values
    assert heat.records[0].parsed_value == shown[0]["heat"] * 1000  # type: ignore[operator]
    assert heat.body.bodyPayload.more_records_follow()
    assert water.secondary_address.startswith("12345678")
    assert float(water.records[0].parsed_value) == pytest.approx(shown[1]["volume"] / 1000)  # type: ignore[operator]
