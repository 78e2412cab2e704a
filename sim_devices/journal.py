"""The truth about what was answered: one JSON line a read request, for end-to-end tests to compare with."""

import json
from pathlib import Path
from typing import Any

from sim_devices.clock import Now
from sim_devices.faults import Fault
from sim_devices.models.base import Device
from sim_devices.registers import Table


class Journal:
    """Lines {t, sim, device, unit, table, address, count, registers, fault}; `t` and `sim` are Unix ms on the wall
    clock and in simulated time, `fault` names what was done to the answer, or is null. Flushed line by line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sink = path.open("a", buffering=1, encoding="utf-8")

    def record(
        self, now: Now, unit: int, device: Device, table: Table, address: int, values: list[int], fault: Fault | None
    ) -> None:
        line: dict[str, Any] = {
            "t": now.wall_ms,
            "sim": now.sim_ms,
            "device": device.code,
            "unit": unit,
            "table": str(table),
            "address": address,
            "count": len(values),
            "registers": values,
            "fault": None if fault is None else str(fault.kind),
        }
        self._sink.write(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        self._sink.close()
