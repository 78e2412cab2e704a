"""A waveform from a simulated pump's motor to the fleet's API: by real broker, ingest and database."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocols import citycode
from tests.e2e.chain import Chain, wait_for

pytestmark = pytest.mark.long

GATEWAY = citycode.mint("D", "1101149001000077").text
PUMP = citycode.mint("D", "1101149001003101").text
SIMULATED = f"""seed = 7
ports_file = "PORTS"
[[bus]]
name = "tcp"
kind = "tcp"
[[bus.device]]
code = "{PUMP}"
name = "Pump"
model = "sump_pump"
unit = 1
section = "1"
"""
RULE = f"""
[[bus.device]]
code = "{PUMP}"
name = "Pump"
model = "sump_pump"
unit = 1
period_s = 0.5
channel.motor_current = {{ despike = true, deadband = 5 }}
[[rule]]
name = "motor start"
when = {{ device = "{PUMP}", channel = "running", equals = 1 }}
[[rule.event]]
kind = "motor-start"
severity = 1
[[rule.capture]]
device = "{PUMP}"
channels = ["motor_current", "running"]
before_s = 3
after_s = 4
"""


def test_a_motors_inrush_is_in_the_capture_though_its_channel_is_despiked(tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    with Chain(tmp_path) as chain:
        gateway = chain.enrol(GATEWAY)
        chain.run_simulators(SIMULATED.replace("PORTS", str(ports)), ready=lambda _pid: ports.exists())
        address = json.loads(ports.read_text("utf-8"))["tcp"]
        bus = f'[[bus]]\nname = "tcp"\ndriver = "modbus-tcp"\naddress = "{address}"\ntimeout_s = 0.5\n'
        chain.run_agent(gateway, bus + RULE)
        wait_for(lambda: chain.query("SELECT count(*) FROM last_value")[0][0] >= 1, 40, "the pump's first values")
        client = chain.administrator()
        started = client.post(
            f"/api/v1/devices/{PUMP}/commands", json={"channel": "start", "value": "1", "expires_s": 30}
        )
        assert started.status_code < 300, started.text
        found: list[dict[str, Any]] = []

        def listed() -> bool:
            found[:] = client.get(f"/api/v1/devices/{PUMP}/captures").json()["items"]
            return bool(found)

        wait_for(listed, 40, "the capture")
        (item,) = found
        assert (item["rule"], item["ending"], item["dated"]) == ("motor start", "whole", True)
        ((told,),) = chain.query("SELECT data->>'capture' FROM gateway_event WHERE kind = 'motor-start'")
        assert told == item["name"], "the event says where to look"
        shown = client.get(f"/api/v1/devices/{PUMP}/captures/{told}").json()
        current = next(one for one in shown["traces"] if one["channel"]["name"] == "motor_current")
        assert -3_000_000 <= current["t"][0] <= -2_000_000
        assert 3_500_000 <= current["t"][-1] <= 4_000_000
        assert max(value for value in current["value"] if value is not None) > 15, "4.8 A is what it runs with"
        lines = client.get(f"/api/v1/devices/{PUMP}/captures/{told}/samples.csv").text.splitlines()
        assert len(lines) == 1 + sum(len(trace["t"]) for trace in shown["traces"])
        chain.wait_delivered(gateway, 20)
        ((stored,),) = chain.query("SELECT count(*) FROM capture_part")
        assert stored == item["parts"] == item["received"] == 1
