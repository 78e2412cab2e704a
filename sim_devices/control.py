"""Interfering with a running simulation: a unix socket that takes one JSON object a line and answers with one."""

import asyncio
import contextlib
import difflib
import json
import math
import socket
from pathlib import Path
from typing import Any, Self

from sim_devices.config import make_fault
from sim_devices.faults import lasting
from sim_devices.models.base import Value
from sim_devices.modem.actions import ACTIONS
from sim_devices.simulation import Placed, Simulation

MAX_LINE = 65_536
TIMEOUT_S = 5.0


class Refused(Exception):
    """The simulation did not do it, and says why."""


class ControlServer:
    """Answers {"ok": true, ...} or {"ok": false, "error": text}."""

    def __init__(self, path: Path, simulation: Simulation) -> None:
        self._path = path
        self._simulation = simulation
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_LINE)
        self._path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line), ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            if not isinstance(asked, dict) or str(asked.get("do")) not in _DEEDS:
                raise Refused(f'send {{"do": one of {", ".join(_DEEDS)}}}, one JSON object a line')
            return {"ok": True} | _DEEDS[str(asked["do"])](self._simulation, asked)
        except (Refused, ValueError, OverflowError) as error:  # JSON's 1e999 is infinity
            return {"ok": False, "error": str(error)}


def _find(simulation: Simulation, given: object) -> list[Placed]:
    """The devices meant by a code, a name, a bus or "*"."""
    if given == "*":
        return list(simulation.placed.values())
    found = [
        placed
        for code, placed in simulation.placed.items()
        if given in (code, placed.config.name, placed.server.name)
    ]  # fmt: skip
    if found:
        return found
    names = [name for code, placed in simulation.placed.items() for name in (code, placed.config.name)]
    near = difflib.get_close_matches(str(given), names, 1, 0.5)
    raise Refused(f"no device or bus is called {given!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _number(asked: dict[str, Any], key: str) -> float | None:
    given = asked.get(key)
    if given is None or (isinstance(given, int | float) and not isinstance(given, bool)):
        return given
    raise Refused(f"{key} is to be a number, not {given!r}")


def _fault(simulation: Simulation, asked: dict[str, Any]) -> dict[str, Any]:
    probability, delay_s, for_s, exception = (
        _number(asked, key) for key in ("probability", "delay_s", "for_s", "exception")
    )
    code = None if exception is None else int(exception)
    fault = lasting(make_fault(str(asked.get("kind")), probability, delay_s, code), for_s, simulation.now().monotonic)
    found = _find(simulation, asked.get("device"))
    for placed in found:
        simulation.faults.add(placed.config.code, fault)
    return {"devices": [placed.config.name for placed in found]}


def _clear(simulation: Simulation, asked: dict[str, Any]) -> dict[str, Any]:
    if asked.get("device") in (None, "*"):
        return {"ended": simulation.faults.clear()}
    return {"ended": sum(simulation.faults.clear(p.config.code) for p in _find(simulation, asked["device"]))}


def _list(simulation: Simulation, asked: dict[str, Any]) -> dict[str, Any]:
    now = simulation.now()
    return {
        "sim_ms": now.sim_ms,
        "speed": simulation.clock.speed,
        "devices": [_describe(simulation, placed) for placed in _find(simulation, asked.get("device", "*"))],
    }


def _describe(simulation: Simulation, placed: Placed) -> dict[str, Any]:
    config, now = placed.config, simulation.now()
    return {
        "code": config.code,
        "name": config.name,
        "model": config.model,
        "bus": placed.server.name,
        "address": placed.server.address,
        "unit": config.unit,
        "requests": placed.server.slaves.requests[config.code],
        "faults": [
            {
                "kind": str(fault.kind),
                "probability": fault.probability,
                "left_s": None if fault.until is None else round(fault.until - now.monotonic, 1),
            }
            for fault in simulation.faults.of(config.code, now.monotonic)
        ],
    }


def _show(simulation: Simulation, asked: dict[str, Any]) -> dict[str, Any]:
    """The values of devices as they stand behind their registers; NaN is sent as null."""
    simulation.world.advance(simulation.now().sim_ms)
    shown = {}
    for placed in _find(simulation, asked.get("device")):
        values = simulation.world.devices[placed.config.code].values
        shown[placed.config.name] = {name: _json_number(value) for name, value in values.items()}
    return {"values": shown}


def _json_number(value: Value) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value


def _modem(simulation: Simulation, asked: dict[str, Any]) -> dict[str, Any]:
    port = simulation.modems.get(str(asked.get("modem")))
    action = ACTIONS.get(str(asked.get("action")))
    if port is None:
        raise Refused(f"no modem is called {asked.get('modem')!r}; there are: {', '.join(simulation.modems) or 'none'}")
    if action is None:
        raise Refused(f"a modem does not {asked.get('action')!r}; it does: {', '.join(ACTIONS)}")
    network = port.modem.network
    loss, delay_s, rsrp_dbm = (_number(asked, key) for key in ("loss", "delay_s", "rsrp_dbm"))
    if not 0 <= (loss or 0) < 1 or not 0 <= (delay_s or 0) <= 3600:
        raise Refused("a loss lies in 0..1 and is not 1, a delay in 0..3600 s")
    network.loss = network.loss if loss is None else loss
    network.delay_s = network.delay_s if delay_s is None else delay_s
    network.rsrp_dbm = network.rsrp_dbm if rsrp_dbm is None else int(rsrp_dbm)
    action.do(port.modem)
    return {
        "modem": port.name,
        "network": port.modem.status.name.lower(),
        "hung": None if port.modem.hung is None else str(port.modem.hung),
        "boots": port.modem.counters.boots,
        "tx_ms": port.modem.counters.tx_ms,
    }


_DEEDS = {"fault": _fault, "clear": _clear, "list": _list, "show": _show, "modem": _modem}


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """One question to a running simulation. Raises Refused with its reason, or why it cannot be reached."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(TIMEOUT_S)
            line.connect(str(path))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as source:
                answer = json.loads(source.readline() or b"null")
    except (OSError, ValueError) as error:
        raise Refused(
            f"no simulation answers at {path} ({error}); is it running? Name its socket with --control"
        ) from error
    if not isinstance(answer, dict) or not answer.get("ok"):
        raise Refused(str((answer or {}).get("error", "the simulation gave no answer")))
    return answer
