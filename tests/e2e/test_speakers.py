"""Devices that speak of themselves, simulated: in lines on a pty and over TCP, and by SenML over CoAP, to the API."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest

from protocols import citycode
from tests.drivers.coap.conftest import free_port
from tests.e2e.chain import Chain, Gateway, now_ms, raw_history, wait_for

pytestmark = pytest.mark.long

WIND, GAUGE, CLIMATE = (citycode.mint("D", f"11011490010042{number:02}").text for number in (1, 2, 3))
UNIT = "urn:dev:mac:0024befffe804ff1"
SIMULATORS = """
seed = 7
ports_file = "ports.json"
[[bus]]
name = "mast"
protocol = "lines"
kind = "pty"
link = "mast"
baud = 9600
[[bus.device]]
code = "{wind}"
name = "Wind"
model = "anemometer"
unit = 1
[[bus]]
name = "drain"
protocol = "lines"
kind = "serial-over-tcp"
[[bus.device]]
code = "{gauge}"
name = "Gauge"
model = "distance_gauge"
unit = "07"
[[bus]]
name = "air"
protocol = "coap"
kind = "push"
to = "127.0.0.1:{port}"
[[bus.device]]
code = "{climate}"
name = "Climate"
model = "climate_sensor"
unit = "{unit}"
"""
BUSES = """
[[bus]]
name = "mast"
driver = "lines"
address = "{folder}/mast"
[[bus.device]]
code = "{wind}"
name = "Wind"
model = "anemometer"
unit = 1
period_s = 1
[[bus]]
name = "drain"
driver = "lines-over-tcp"
address = "{drain}"
[[bus.device]]
code = "{gauge}"
name = "Gauge"
model = "distance_gauge"
unit = "07"
period_s = 1
[[bus]]
name = "air"
driver = "coap"
address = "127.0.0.1:{port}"
options = {{ plain = "loopback" }}
[[bus.device]]
code = "{climate}"
name = "Climate"
model = "climate_sensor"
unit = "{unit}"
period_s = 10
"""


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chain, Gateway]]:
    folder, port = tmp_path_factory.mktemp("speakers"), free_port()
    names = {"wind": WIND, "gauge": GAUGE, "climate": CLIMATE, "port": port, "unit": UNIT}
    with Chain(folder) as running:
        running.run_simulators(SIMULATORS.format(**names), ready=lambda _pid: (folder / "ports.json").exists())
        drain = json.loads((folder / "ports.json").read_text("utf-8"))["drain"]
        gateway = running.enrol(citycode.mint("D", "1101149001000093").text)
        running.run_agent(gateway, BUSES.format(folder=folder, drain=drain, **names))
        yield running, gateway


@pytest.mark.parametrize(
    ("device", "channel", "count", "low", "high"),
    [
        (WIND, "wind_speed", 5, 0, 75),
        (WIND, "status", 5, 0, 1),
        (GAUGE, "distance", 5, 0.5, 4),
        (CLIMATE, "temperature", 2, -40, 60),
        (CLIMATE, "battery", 2, 3, 3.6),
    ],
)
def test_what_a_device_says_of_itself_is_shown(
    speaking: tuple[Chain, Gateway], device: str, channel: str, count: int, low: float, high: float
) -> None:
    chain, _ = speaking
    since = now_ms() - 60_000

    def good() -> list[tuple[int, float, int]]:
        rows = raw_history(chain.administrator(), device, channel, since, now_ms() + 1000)
        return [row for row in rows if row[1] is not None]

    rows = wait_for(lambda: found if len(found := good()) >= count else [], 40, f"{count} values of {channel}")
    assert all(low <= value <= high for _, value, _ in rows)
    assert all(after > before for (before, *_), (after, *_) in pairwise(rows))


def test_reports_that_go_lost_are_made_up_for_by_the_next(speaking: tuple[Chain, Gateway]) -> None:
    """The agent is away while the sensor measures; what it measured comes in later, each value at its own time."""
    chain, _ = speaking
    stopped = now_ms()
    chain.kill("agent")
    wait_for(lambda: now_ms() > stopped + 12_000, 20, "the sensor to measure once more")
    started = now_ms()
    chain.restart("agent")

    def made_up() -> bool:
        rows = raw_history(chain.administrator(), CLIMATE, "temperature", stopped + 1000, started - 200)
        return any(value is not None for _, value, _ in rows)

    wait_for(made_up, 60, "a value that was measured while the agent was away")
