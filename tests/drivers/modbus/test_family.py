"""Our families against pymodbus, unmodified, over TCP and over a pair of ptys."""

import asyncio
import os
import re
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.base import Family, Line, LineConfig, LineDown, Pipelined, Reading, Refused, Span
from drivers.catalog import BUILTIN
from protocols.quality import Quality

pytestmark = pytest.mark.peer(
    "Modbus", "pymodbus", "our client reads, writes and is refused by its server: TCP, RTU over TCP, RTU over a pty"
)

LONG = 3.0
NAMES = ("modbus-rtu", "modbus-rtu-over-tcp", "modbus-tcp")
UNIT = 7
ABSENT = Span("input", 100, 2)


def lamp() -> SimDevice:
    """A lamp_controller: 57.1 W, 0.25 A, case temperature absent, 12345.6 h, on and too hot, dimmed to 80 %."""
    burning = divmod(123456, 0x10000)
    words = [571, 250, 0x8000, *burning, 0b101, 80]
    bits, holding = [SimData(0, values=[True] * 16, datatype=DataType.BITS)], [80, 0, 0, 0]
    return SimDevice(
        UNIT,
        (
            bits,
            bits,
            [SimData(0, values=holding, datatype=DataType.REGISTERS)],
            [SimData(0, values=words, datatype=DataType.REGISTERS)],
        ),
    )


@asynccontextmanager
async def tcp_server(framer: FramerType) -> AsyncIterator[str]:
    server = ModbusTcpServer(lamp(), framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    transport = server.transport
    assert isinstance(transport, asyncio.Server)
    host, port = transport.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def null_modem() -> Iterator[tuple[str, str]]:
    """Two ptys, what is written to one is read from the other."""
    loop = asyncio.get_running_loop()
    (left, left_end), (right, right_end) = os.openpty(), os.openpty()
    for end in (left_end, right_end):
        tty.setraw(end)

    def copy(source: int, target: int) -> None:
        os.write(target, os.read(source, 4096))

    loop.add_reader(left, copy, left, right)
    loop.add_reader(right, copy, right, left)
    try:
        yield os.ttyname(left_end), os.ttyname(right_end)
    finally:
        loop.remove_reader(left)
        loop.remove_reader(right)
        for descriptor in (left, left_end, right, right_end):
            os.close(descriptor)


@asynccontextmanager
async def peer(driver: str) -> AsyncIterator[str]:
    if driver == "modbus-rtu":
        with null_modem() as (near, far):
            server = ModbusSerialServer(lamp(), port=far, baudrate=19200)
            await server.serve_forever(background=True)
            try:
                yield near
            finally:
                await server.shutdown()  # type: ignore[no-untyped-call]
    else:
        framer = FramerType.SOCKET if driver == "modbus-tcp" else FramerType.RTU
        async with tcp_server(framer) as address:
            yield address


@pytest.fixture(params=NAMES)
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with peer(request.param) as address:
        line = BUILTIN[request.param].create_line(LineConfig(request.param, address, baud=19200))
        await line.open()
        yield line
        await line.close()


async def test_pymodbus_lamp_is_read_as_it_is(line: Line) -> None:
    model = BUILTIN["modbus-tcp"].load_model("lamp_controller")
    readings: dict[str, Reading] = {}
    for span in (Span("input", 0, 7), Span("holding", 0, 1), Span("coil", 0, 1)):
        for reading in model.decode(span, await line.read(UNIT, span, LONG)):
            readings[model.channels[reading.channel].name] = reading
    assert {name: reading.value for name, reading in readings.items()} == {
        "lamp_power": 571,
        "lamp_current": 250,
        "case_temperature": None,
        "burning_hours": 123456,
        "lamp_on": 1,
        "lamp_fault": 0,
        "over_temperature": 1,
        "dim_level": 80,
        "dim_setpoint": 80,
        "relay": 1,
    }
    assert readings["case_temperature"].quality == Quality.BAD_SENSOR_FAILURE
    assert len(readings) == len(model.channels)


async def test_pymodbus_takes_what_is_written_and_says_so(line: Line) -> None:
    model = BUILTIN["modbus-tcp"].load_model("lamp_controller")
    channels = {channel.name: index for index, channel in enumerate(model.channels)}
    for name, value in (("dim_setpoint", 35), ("relay", 0), ("relay", 1)):
        reading = await line.write(UNIT, model, channels[name], Decimal(value), LONG)
        assert reading == Reading(channels[name], value, Quality.GOOD)


async def test_pymodbus_refuses_what_it_has_not_and_the_line_goes_on(line: Line) -> None:
    with pytest.raises(Refused, match="illegal data address") as caught:
        await line.read(UNIT, ABSENT, LONG)
    assert caught.value.code == 2
    assert len(await line.read(UNIT, Span("input", 0, 7), LONG)) == 14


@pytest.mark.parametrize("driver", NAMES)
async def test_a_line_that_was_never_opened_or_is_closed_is_down(driver: str) -> None:
    line = BUILTIN[driver].create_line(LineConfig(driver, "127.0.0.1:1" if "tcp" in driver else "/nowhere/tty"))
    await line.close()
    with pytest.raises(LineDown):
        await line.read(1, ABSENT, LONG)
    with pytest.raises(LineDown):
        await line.open()


@pytest.mark.parametrize("driver", ["modbus-tcp", "modbus-rtu-over-tcp"])
def test_an_address_that_is_none_is_refused_when_the_line_is_made(driver: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        BUILTIN[driver].create_line(LineConfig(driver, "10.0.0.1:http"))


@pytest.mark.parametrize("settings", [{"parity": "X"}, {"stop_bits": 3}, {"baud": 0}])
def test_settings_that_no_line_has_are_refused_when_the_line_is_made(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no line has"):
        BUILTIN["modbus-rtu"].create_line(LineConfig("modbus-rtu", "/dev/null", **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["modbus-tcp", "modbus-rtu-over-tcp"])
@pytest.mark.parametrize("host", ["a..b", "x" * 64, "nul\0"])
async def test_a_host_that_cannot_even_be_looked_up_is_a_line_that_is_down(driver: str, host: str) -> None:
    line = BUILTIN[driver].create_line(LineConfig(driver, f"{host}:502"))
    with pytest.raises(LineDown, match="no connection"):
        await line.open()


def test_a_line_has_as_many_requests_under_way_as_the_bus_is_told() -> None:
    family = BUILTIN["modbus-tcp"]
    assert isinstance(family, Family)
    lines = [
        family.create_line(LineConfig("modbus-tcp", "127.0.0.1:502", options=family.options(given, Path())))
        for given in ({}, {"pipeline": 3})
    ]
    assert [line.depth for line in lines if isinstance(line, Pipelined)] == [1, 3]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"pipeline": 0}, "pipeline is 0; it is a whole number from 1 to 16"),
        ({"pipeline": True}, "pipeline is True; it is a whole number from 1 to 16"),
        ({"pipeline": "4"}, "pipeline is '4'; it is a whole number from 1 to 16"),
        ({"pipelines": 4}, "pipelines is not known; there is pipeline"),
    ],
)
def test_an_option_that_cannot_be_is_told_with_what_would_be(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        BUILTIN["modbus-tcp"].options(given, Path())
    with pytest.raises(ValueError, match="this driver has no options"):
        BUILTIN["modbus-rtu"].options(given, Path())
