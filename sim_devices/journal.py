"""The truth about what was answered: one JSON line a read request, for end-to-end tests to compare with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim_devices.clock import Now
from sim_devices.faults import Fault
from sim_devices.models.base import Device, Unit


class Journal:
    """Lines {t, sim, device, unit, ..., fault}. The protocol tells what was read, of Modbus: table, address, count and
    registers. `t` and `sim` are Unix ms on the wall clock and in simulated time, `fault` names what was done to the
    answer, or is null. Flushed line by line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sink = path.open("a", buffering=1, encoding="utf-8")

    def record(self, now: Now, unit: Unit, device: Device, said: Mapping[str, Any], fault: Fault | None) -> None:
        line: dict[str, Any] = {
            "t": now.wall_ms,
            "sim": now.sim_ms,
            "device": device.code,
            "unit": unit,
            **said,
            "fault": None if fault is None else str(fault.kind),
        }
        self._sink.write(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        self._sink.close()
