"""Programs that know nothing of hutong, unmodified: mbpoll reads our simulator, mosquitto_sub and cbor2 our batches."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from protocols import citycode
from tests.e2e.chain import INGEST_USER, Chain, Gateway, wait_for

pytestmark = pytest.mark.debian
ROOT = Path(__file__).parents[2]
METER = citycode.mint("D", "1101149001004001").text
LAMP = citycode.mint("D", "1101149001004002").text


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (make test-all installs it where it may)")
    return found


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chain, Gateway]]:
    folder = tmp_path_factory.mktemp("peers")
    with Chain(folder) as running:
        devices = (
            f'[[bus.device]]\ncode = "{METER}"\nname = "Meter"\nmodel = "meter_1p"\nunit = 1\n'
            f'[[bus.device]]\ncode = "{LAMP}"\nname = "Lamp"\nmodel = "lamp_controller"\nunit = 2\n'
        )
        running.run_simulators(
            f'seed = 5\nports_file = "{folder}/ports.json"\n'
            f'[[bus]]\nname = "tcp"\nkind = "tcp"\n{devices}'
            f'[[bus]]\nname = "line"\nkind = "pty"\nlink = "{folder}/line"\n'
            + devices.replace(METER, citycode.mint("D", "1101149001004003").text).replace(
                LAMP, citycode.mint("D", "1101149001004004").text
            ),
            ready=lambda _pid: (folder / "ports.json").exists(),
        )
        gateway = running.enrol(citycode.mint("D", "1101149001000091").text)
        running.run_agent(
            gateway,
            f'[[bus]]\nname = "tcp"\ndriver = "modbus-tcp"\naddress = "{tcp(folder)}"\n'
            f'[[bus.device]]\ncode = "{METER}"\nname = "Meter"\nmodel = "meter_1p"\nunit = 1\nperiod_s = 0.5\n',
        )
        yield running, gateway


def tcp(folder: Path) -> str:
    address: str = json.loads((folder / "ports.json").read_text("utf-8"))["tcp"]
    return address


def mbpoll(*arguments: str) -> dict[int, float]:
    """What mbpoll read once: the reference printed in brackets, to its value."""
    done = subprocess.run(
        [needs("mbpoll"), "-1", "-q", "-0", *arguments], capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\[(\d+)\]:\s+(-?[\d.]+)", done.stdout, re.M)
    return {int(reference): float(value) for reference, value in rows}


def network(running: Chain) -> list[str]:
    host, port = tcp(running.folder).split(":")
    return ["-m", "tcp", "-p", port, host]


@pytest.mark.peer("Modbus", "mbpoll", "reads and writes our simulators, over TCP and over a pty")
def test_mbpoll_reads_a_meter_over_tcp(chain: tuple[Chain, Gateway]) -> None:
    registers = mbpoll("-a", "1", "-t", "3", "-r", "0", "-c", "16", *network(chain[0]))
    assert len(registers) == 16
    assert 1980 <= registers[0] <= 2420  # mains voltage in tenths of a volt, EN 50160's 230 V +- 10 % and China's 220 V
    assert 4950 <= registers[6] <= 5050  # hundredths of a hertz


@pytest.mark.peer("Modbus", "mbpoll", "reads and writes our simulators, over TCP and over a pty")
def test_mbpoll_reads_two_slaves_of_one_serial_line(chain: tuple[Chain, Gateway]) -> None:
    line = ["-m", "rtu", "-b", "9600", "-P", "none", str(chain[0].folder / "line")]
    meter = mbpoll("-a", "1", "-t", "3", "-r", "0", "-c", "7", *line)
    lamp = mbpoll("-a", "2", "-t", "4", "-r", "0", "-c", "1", *line)
    assert 4950 <= meter[6] <= 5050
    assert 0 <= lamp[0] <= 100


@pytest.mark.peer("Modbus", "mbpoll", "reads and writes our simulators, over TCP and over a pty")
def test_mbpoll_writes_a_lamps_set_point_and_reads_it_back(chain: tuple[Chain, Gateway]) -> None:
    for value in (35, 60):
        write = [needs("mbpoll"), "-1", "-q", "-0", "-a", "2", "-t", "4", "-r", "0", *network(chain[0]), str(value)]
        assert subprocess.run(write, check=False, capture_output=True, timeout=20).returncode == 0
        assert mbpoll("-a", "2", "-t", "4", "-r", "0", "-c", "1", *network(chain[0])) == {0: value}


@pytest.mark.peer("Modbus", "mbpoll", "reads and writes our simulators, over TCP and over a pty")
def test_mbpoll_is_told_by_exception_of_an_address_that_is_not_there(chain: tuple[Chain, Gateway]) -> None:
    ask = [needs("mbpoll"), "-1", "-q", "-0", "-a", "1", "-t", "3", "-r", "5000", "-c", "1", *network(chain[0])]
    done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=20)
    assert "Illegal data address" in done.stdout + done.stderr


@pytest.mark.peer(
    "MQTT 5 and the edge contract",
    "mosquitto_sub",
    "a batch taken from a real broker is read with cbor2 and docs/protocols/edge.md alone",
)
def test_a_batch_from_mosquitto_sub_is_read_by_plain_cbor2_with_the_specification_alone(
    chain: tuple[Chain, Gateway],
) -> None:
    running, gateway = chain
    topic = f"hutong/1/{gateway.code}/data"
    password = (running.folder / "ingest.password").read_text("ascii")
    listen = [needs("mosquitto_sub"), "-V", "5", "-p", str(running.broker_port), "-u", INGEST_USER, "-P", password]
    client = running.administrator()

    def stored() -> bool:
        now = client.get(f"/api/v1/devices/{METER}/now")
        return now.is_success and any(channel["value"] is not None for channel in now.json()["channels"])

    wait_for(stored, 20, "the meter's values")  # a batch of before may hold ticks at which no line was open yet
    heard = subprocess.run(
        [*listen, "-t", topic, "-C", "1", "-F", "%x", "-W", "20"], capture_output=True, text=True, check=False
    )
    assert heard.returncode == 0, heard.stderr
    names: dict[str, Any] = {}
    text = (ROOT / "docs" / "protocols" / "edge.md").read_text("utf-8")
    exec(re.findall(r"```python\n(.*?)```", text, re.S)[-1], names)  # noqa: S102 - the decoder that a stranger copies
    readings = list(names["readings"](topic, bytes.fromhex(heard.stdout.strip()), gateway.key))
    assert readings, "no reading in the batch"
    channels = client.get(f"/api/v1/devices/{METER}/now").json()["channels"]
    voltage = next(alias for alias, channel in enumerate(channels) if channel["name"] == "voltage")
    good = [(alias, value) for _, alias, value, quality in readings if quality == 0]
    assert any(alias == voltage and Decimal(198) <= value <= Decimal(242) for alias, value in good)
    assert len(good) >= len(readings) / 2  # a loaded machine may miss a tick
