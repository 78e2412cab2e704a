"""A journal played again (docs/simulators.md): Modbus slaves whose registers hold what was read from them, and when."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Layout, NoSuchAddress, Table
from sim_devices.models.base import Options, Unit


class Unusable(Exception):
    """Says which line of the journal, and why."""


class Answered(NamedTuple):
    """`t` is Unix time in milliseconds."""

    t: int
    table: Table
    address: int
    values: tuple[int, ...]


@dataclass
class Recording:
    """`answers` by (device, unit), in the order of time. `others` counts lines of other protocols than Modbus."""

    answers: dict[tuple[str, int], list[Answered]]
    others: int = 0

    @property
    def begin(self) -> int:
        return min(answers[0].t for answers in self.answers.values())

    @property
    def end(self) -> int:
        return max(answers[-1].t for answers in self.answers.values())


def read(lines: Iterable[str], only: Sequence[str] = ()) -> Recording:
    """Of all devices, or `only` of those codes. Raises Unusable."""
    recording = Recording({})
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            device = str(entry["device"])
            if only and device not in only:
                continue
            if "registers" not in entry:
                recording.others += 1
                continue
            values = tuple(int(value) for value in entry["registers"])
            unit = int(entry["unit"])
            answered = Answered(int(entry["t"]), Table(entry["table"]), int(entry["address"]), values)
        except (ValueError, KeyError, TypeError) as error:
            raise Unusable(f"line {number}: {type(error).__name__} {error}: not a line of a journal") from None
        recording.answers.setdefault((device, unit), []).append(answered)
    if not recording.answers:
        raise Unusable("holds no answers of a Modbus device" + (f" {', '.join(only)}" if only else ""))
    for answers in recording.answers.values():
        answers.sort(key=lambda each: each.t)
    return recording


def by_unit(recording: Recording) -> dict[Unit, "Replayed"]:
    """The devices on one line. Raises Unusable where two have one unit."""
    found: dict[Unit, Replayed] = {}
    for (device, unit), answers in recording.answers.items():
        if unit in found:
            raise Unusable(f"{device} and {found[unit].code} both have unit {unit}: choose one with --device")
        found[unit] = Replayed(device, answers)
    return found


class Replayed(RegisterDevice):
    """Holds at each address the last value read there, before the first the first. What was never read is not there."""

    MODEL = "replayed"
    LAYOUT = Layout(())

    def __init__(self, code: str, answers: Sequence[Answered]) -> None:
        super().__init__(code, Options(), np.random.default_rng(0))
        self._told: dict[tuple[Table, int], tuple[list[int], list[int]]] = {}  # times and values of each address
        for answered in answers:
            for at, value in enumerate(answered.values, answered.address):
                times, values = self._told.setdefault((answered.table, at), ([], []))
                times.append(answered.t)
                values.append(value)
        self.now_ms = 0

    def read(self, table: Table, address: int, count: int) -> list[int]:
        return [self._value(table, at) for at in range(address, address + count)]

    def _value(self, table: Table, at: int) -> int:
        if (table, at) not in self._told:
            raise NoSuchAddress(f"{table} {at} was never read")
        times, values = self._told[table, at]
        return values[max(0, bisect_right(times, self.now_ms) - 1)]

    def write(self, table: Table, address: int, raws: Sequence[int]) -> None:  # noqa: ARG002
        raise NoSuchAddress(f"{table} {address}: a recording cannot be written")
