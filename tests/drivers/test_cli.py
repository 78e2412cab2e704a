"""`hutong-driver read`: a device over a real socket, without gateway or server."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from drivers import cli
from protocols.quality import Quality
from sim_devices.clock import Now
from sim_devices.faults import Faults
from sim_devices.kit.peer import standing_still
from sim_devices.modbus.session import PROTOCOL
from sim_devices.models.catalog import BUILTIN
from sim_devices.servers import TcpServer

GAS = {"ch4": None, "o2": 20.9, "co": 3.0, "h2s": 0.0, "status": 0}


@pytest.fixture
def address() -> Iterator[str]:
    """A fan as unit 3 and a lamp as unit 4, served by a thread of its own."""
    fan = standing_still(BUILTIN["fan"], {"running": True, "fault": False, "speed": 1440, "vibration": 2.5,
                                          "motor_temperature": 61.5, "speed_setpoint": 50, "start": True})  # fmt: skip
    slaves = PROTOCOL.gather({3: fan}, Faults(0), lambda _: None, None)
    ready, stop = Event(), Event()
    found: list[str] = []

    async def serve() -> None:
        server = TcpServer("bench", "127.0.0.1", 0, slaves, lambda: Now(0.0, 0, 0), kind="tcp")
        await server.start()
        found.append(server.address)
        ready.set()
        await asyncio.to_thread(stop.wait)
        await server.close()

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(asyncio.run, serve())
        assert ready.wait(10)
        yield found[0]
        stop.set()
        served.result(10)


def test_every_channel_is_printed_with_its_unit_and_its_word(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["read", "modbus-tcp", "fan", address, "--unit", "3"]) == 0
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert dict(shown) == {
        "running": "1 (running 运行)", "fault": "0 (ok 正常)", "speed": "1440 rpm", "vibration": "2.5 mm/s",
        "motor_temperature": "61.5 Cel", "speed_setpoint": "50 %", "start": "1 (start 启动)",
    }  # fmt: skip


def test_a_device_that_does_not_answer_is_told_channel_by_channel(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["read", "modbus-tcp", "fan", address, "--unit", "5", "--timeout", "0.2"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert f"speed: {address} unit 5" in told.err


def test_where_nothing_listens_the_line_is_down(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert cli.main(["read", "modbus-tcp", "fan", f"127.0.0.1:{taken.getsockname()[1]}"]) == 1
    assert "no connection" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["modbus-tpc", "fan", "x"], "did you mean 'modbus-tcp'"),
        (["modbus-tcp", "fun", "x"], "did you mean 'fan'"),
        (["modbus-tcp", "fan", "x", "--unit", "999"], "not between 0 and 255"),
        (["dlt645", "dlt645_meter_1p", "/dev/null", "--unit", "12"], "12 digits"),
        (["coap", "climate_sensor", "x"], "report of themselves"),
    ],
)
def test_wrong_arguments_are_told_with_what_would_be_right(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["read", *arguments]) == 2
    assert why in capsys.readouterr().err


def test_a_value_is_shown_to_its_last_digit_and_none_with_its_reason() -> None:
    channel = cli.find("modbus-tcp").load_model("meter_1p").channels[5]
    assert cli.text(channel, 55_667_701, Quality.GOOD) == "556677.01 kWh"
    assert cli.text(channel, None, Quality.BAD_SENSOR_FAILURE) == "no value (bad sensor failure)"
