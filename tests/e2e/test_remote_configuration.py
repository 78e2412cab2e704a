"""A configuration from the operator's desk to a gateway and back: by real broker, ingest, database and processes."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocols import citycode
from tests.e2e.chain import Chain, Gateway, wait_for

pytestmark = pytest.mark.long

GATEWAY = citycode.mint("D", "1101149001000077").text
PUMPS = [citycode.mint("D", f"110114900100310{number}").text for number in (1, 2)]
SIMULATED = 'seed = 7\nports_file = "PORTS"\n[[bus]]\nname = "tcp"\nkind = "tcp"\n'
PUMP = '[[bus.device]]\ncode = "{}"\nname = "Pump {}"\nmodel = "sump_pump"\nunit = {}\n'


def pumps(more: str) -> str:
    return "".join(PUMP.format(code, unit, unit) + more for unit, code in enumerate(PUMPS, 1))


class Desk:
    def __init__(self, client: httpx.Client, gateway: Gateway) -> None:
        self._client, self._url = client, f"/api/v1/gateways/{gateway.code}/configuration"
        self.seen: dict[str, Any] = {}

    def look(self) -> dict[str, Any]:
        answer = self._client.get(self._url)
        self._tag = answer.headers["etag"]
        self.seen = answer.json()
        return self.seen

    def ask(self, method: str, path: str = "", **body: Any) -> dict[str, Any]:
        self.look()
        answer = self._client.request(method, self._url + path, json=body or None, headers={"If-Match": self._tag})
        assert answer.status_code == 202, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def stands(self, standing: str, seconds: float = 40) -> None:
        wait_for(lambda: self.look()["standing"] == standing, seconds, f"{standing}, not {self.seen}")


def test_what_an_operator_desires_is_checked_tried_kept_and_undone_again(tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    with Chain(tmp_path) as chain:
        gateway = chain.enrol(GATEWAY)
        simulated = SIMULATED.replace("PORTS", str(ports)) + pumps('section = "1"\n')
        chain.run_simulators(simulated, ready=lambda _pid: ports.exists())
        address = json.loads(ports.read_text("utf-8"))["tcp"]
        bus = f'[[bus]]\nname = "tcp"\ndriver = "modbus-tcp"\naddress = "{address}"\ntimeout_s = 0.5\n'
        chain.run_agent(gateway, bus + pumps("period_s = 0.5\n"))
        file = gateway.folder / "agent.toml"
        before = file.read_text("utf-8")
        desk = Desk(chain.administrator(), gateway)
        wait_for(lambda: desk.look()["text"] == before, 40, "the text that runs")

        after = before.replace("period_s = 0.5", "period_s = 0.25", 1)
        desk.ask("POST", "/check", text=after)
        wait_for(lambda: desk.look()["check"]["status"] == "checked", 40, f"the check, not {desk.seen}")
        assert "changes (period_ms)" in desk.seen["check"]["lines"]
        assert file.read_text("utf-8") == before

        desk.ask("PUT", text=after, trial_s=5)
        desk.stands("in-step")
        assert (desk.seen["text"], file.read_text("utf-8")) == (after, after)

        desk.ask("PUT", text=after.replace("unit = 2\n", "unit = 200\n"), trial_s=8)
        desk.stands("returned")
        assert "no answer from Pump 2" in desk.seen["desired"]["detail"]
        assert (desk.seen["text"], file.read_text("utf-8")) == (after, after)

        desk.ask("PUT", text=after.replace("unit = 2", "unti = 2"))
        desk.stands("refused")
        assert "did you mean 'unit'?" in desk.seen["desired"]["lines"]

        chain.kill("agent")
        wait_for(lambda: not desk.look()["online"], 60, "the gateway to be away")
        first = min(one["number"] for one in _history(chain, gateway))
        desk.ask("POST", f"/versions/{first}/revert")
        desk.stands("offline")
        chain.restart("agent")
        wait_for(lambda: desk.look()["online"], 60, "the gateway to be back")
        desk.stands("in-step", 100)  # a trial of a minute
        assert (desk.seen["text"], file.read_text("utf-8")) == (before, before)


def _history(chain: Chain, gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        chain.administrator().get(f"/api/v1/gateways/{gateway.code}/configuration/versions").json()["items"]
    )
    return found
