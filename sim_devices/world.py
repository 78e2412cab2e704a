"""All devices and what they share, moved together in steps of simulated time.

The same seed, start and writes give the same registers at the same simulated time, however often and in whatever
order the devices are read: steps lie on a grid, and each device draws from a generator of its own.
"""

import zlib
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from sim_devices.models.base import Device, Moment, Options
from sim_devices.models.catalog import BUILTIN
from sim_devices.physics.compartment import Compartment
from sim_devices.physics.mains import Mains
from sim_devices.physics.weather import Weather

STEP_MS = 1000
MAX_STEPS = 3600  # in one go: a longer absence is walked in longer steps
LATITUDE, LONGITUDE = 40.07, 116.33


class World:
    """`now_ms` is the simulated time reached. Devices are added first; `begin` makes the first readings."""

    def __init__(self, seed: int, start_ms: int, latitude: float = LATITUDE, longitude: float = LONGITUDE) -> None:
        self.seed = seed
        self.now_ms = start_ms - start_ms % STEP_MS
        self.devices: dict[str, Device] = {}
        self.compartments: dict[str, Compartment] = {}
        self._weather = Weather(seed, latitude, longitude)
        self._mains: dict[str, Mains] = {}
        self._order: list[list[Device]] = []

    def add(self, code: str, model: str, options: Options) -> Device:
        if code in self.devices:
            raise ValueError(f"device {code} is there already")
        rng = np.random.default_rng([self.seed, zlib.crc32(code.encode())])
        device = self.devices[code] = BUILTIN[model](code, options, rng)
        if options.section and options.section not in self.compartments:
            habits = np.random.default_rng([self.seed, zlib.crc32(options.section.encode())])
            self.compartments[options.section] = Compartment().bind(
                self.seed, options.section, float(habits.uniform(0.6, 3.0)), float(habits.uniform(0.7, 1.6))
            )
        return device

    def begin(self) -> None:
        for device in self.devices.values():
            feeder = device.options.circuit.split("/", 1)[0]
            mains = self._mains.setdefault(feeder, Mains(self.seed, feeder))
            air = self.compartments.get(device.options.section)
            device.join(mains, air, self._on_circuit(device))
        ranks = sorted({device.RANK for device in self.devices.values()})
        self._order = [[d for d in self.devices.values() if rank == d.RANK] for rank in ranks]
        self._step(0)

    def _on_circuit(self, meter: Device) -> list[Device]:
        """Whatever draws on a device's circuit or below it; a meter measures that."""
        circuit = meter.options.circuit
        if not circuit:
            return []
        return [
            device
            for device in self.devices.values()
            if device is not meter and (device.options.circuit + "/").startswith(circuit + "/")
        ]

    def advance(self, now_ms: int) -> None:
        """Steps up to `now_ms`; going back does nothing."""
        missing = (now_ms - self.now_ms) // STEP_MS
        stride = STEP_MS * max(1, missing // MAX_STEPS)
        while self.now_ms + stride <= now_ms:
            self.now_ms += stride
            self._step(stride)

    def _step(self, step_ms: int) -> None:
        seconds, dt = self.now_ms / 1000.0, step_ms / 1000.0
        sky = self._weather.at(seconds)
        now = Moment(seconds, dt, sky)
        for rank, devices in enumerate(self._order):
            for device in devices:
                device.step(now)
            if rank == 0 and dt:
                for air in self.compartments.values():
                    air.step(seconds, dt, sky.temperature, sky.humidity, sky.rain)

    def snapshot(self) -> dict[str, Any]:
        """What must outlive a restart, as JSON: counters that may not fall, levels, what was written."""
        return {
            "now_ms": self.now_ms,
            "devices": {code: device.snapshot() for code, device in self.devices.items()},
            "compartments": {name: asdict(air) for name, air in self.compartments.items()},
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Goes on from a snapshot, before `begin`. Time goes on from there too: call `advance` to catch up."""
        self.now_ms = int(kept["now_ms"])
        for code, state in kept["devices"].items():
            if code in self.devices:
                self.devices[code].restore(state)
        names = {field.name for field in fields(Compartment)}
        for section, state in kept["compartments"].items():
            if section in self.compartments:
                for name in names & state.keys():
                    setattr(self.compartments[section], name, state[name])
