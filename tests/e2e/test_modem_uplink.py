"""A gateway whose only way up is an NB-IoT modem delivers every reading, whatever becomes of modem and network."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols import citycode
from sim_devices.control import ask
from tests.e2e.chain import Chain, Gateway, raw_history, wait_for
from tests.e2e.truth import AROUND_MS, Journal, judge

GATEWAY = citycode.mint("D", "1101149001000078").text
METER = citycode.mint("D", "1101149001003001").text
MODEM = citycode.mint("D", "1101149001003002").text

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(params=["bc660k", "sim7020"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Chain, Gateway]]:
    with Chain(tmp_path) as chain:
        gateway = chain.enrol(GATEWAY)
        ports = tmp_path / "ports.json"
        chain.run_simulators(
            f'journal = "{tmp_path}/journal"\ncontrol = "{tmp_path}/control"\nports_file = "{ports}"\n'
            f'[[bus]]\nname = "meters"\nkind = "tcp"\n'
            f'[[bus.device]]\ncode = "{METER}"\nname = "Meter"\nmodel = "meter_1p"\n'
            f'[[modem]]\nname = "modem"\nfamily = "{request.param}"\nlink = "modem"\n'
            "registration_s = 1.0\ndelay_s = 0.05\n",
            ready=lambda _pid: ports.exists(),
        )
        hook = [sys.executable, "-m", "sim_devices.cli", "modem", "modem", "power-cycle", "--control"]
        options = (
            f'{{ dialect = "{request.param}", registration_s = 60, '
            f"power_cycle = {json.dumps([*hook, str(tmp_path / 'control')])} }}"
        )
        meters = json.loads(ports.read_text("utf-8"))["meters"]
        chain.run_agent(
            gateway,
            f'[[bus]]\nname = "meters"\ndriver = "modbus-tcp"\naddress = "{meters}"\n'
            f'[[bus.device]]\ncode = "{METER}"\nname = "Meter"\nmodel = "meter_1p"\nperiod_s = 0.5\n'
            f'[[bus]]\nname = "modem"\ndriver = "nbiot"\naddress = "{tmp_path}/modem"\ntimeout_s = 10\n'
            f"options = {options}\n"
            f'[[bus.device]]\ncode = "{MODEM}"\nname = "Modem"\nmodel = "nb_modem"\nperiod_s = 2\n',
            uplink='modem = "modem"\n',
        )
        yield chain, gateway


def modem(chain: Chain, action: str) -> dict[str, Any]:
    return ask(chain.folder / "control", {"do": "modem", "modem": "modem", "action": action})


def now(chain: Chain, device: str) -> dict[str, Any]:
    answer = chain.administrator().get(f"/api/v1/devices/{device}/now")
    return {channel["name"]: channel["value"] for channel in answer.json()["channels"]} if answer.is_success else {}


def test_nothing_is_lost_though_the_network_goes_and_the_modem_hangs(running: tuple[Chain, Gateway]) -> None:
    chain, gateway = running
    client = chain.administrator()
    journal = Journal(chain.folder / "journal", {METER: {}})
    wait_for(lambda: now(chain, METER).get("poll_count"), 60, "a first reading through the modem")
    wait_for(lambda: now(chain, MODEM).get("rsrp") == -89, 30, "the modem's own figures")
    figures = now(chain, MODEM)
    assert (figures["registration"], figures["snr"], figures["cell"], figures["ecl"]) == (1, 13, 3535136, 0)

    modem(chain, "lose-network")
    time.sleep(5)  # the outage
    modem(chain, "find-network")
    wait_for(lambda: modem(chain, "network")["network"] == "home", 20, "the network")
    chain.wait_delivered(gateway, 90)

    modem(chain, "hang")
    wait_for(lambda: modem(chain, "network")["boots"] == 2, 90, "the modem's power to be cycled")
    upto = journal.newest()[METER]
    time.sleep(2)  # all of that is committed
    chain.wait_delivered(gateway, 120)

    truth = journal.read()[METER]
    times = [t for count, t in truth.items() if count <= upto]
    rows = list(raw_history(client, METER, "poll_count", min(times) - AROUND_MS, max(times) + AROUND_MS))
    journal.read()
    verdict = judge(rows, truth, [], after=0, upto=upto)
    assert verdict.holds, verdict
    assert verdict.compared > 60
    wait_for(lambda: (now(chain, MODEM).get("recoveries") or 0) >= 4, 30, "the recoveries among the figures")
    assert modem(chain, "network")["tx_ms"] > 1000  # it was the modem that carried all this
    log = chain.log("agent")
    assert "it does not answer" in log
    assert "power" in log

    chain.kill("agent", signal.SIGTERM)
    assert "stopped" in chain.log("agent")
