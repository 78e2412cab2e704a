"""A probe in a tree pit: rain soaks it, sun and wind dry it, frost silences it."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options

FIELD_CAPACITY, WILTING, SATURATED = 27.0, 9.0, 44.0  # percent by volume, of a loam
SOAK = 0.45  # percent a millimetre of rain: the root zone is some 22 cm
DRAIN_S = 6 * 3600.0
SAMPLE_S = 10.0


class SoilMoisture(RegisterDevice):
    MODEL = "soil_moisture"
    LAYOUT = Layout([
        Field("moisture", Table.HOLDING, 0, "u16", 0.1, sentinel=0xFFFF),
        Field("temperature", Table.HOLDING, 1, "i16", 0.1, sentinel=0x7FFF),
        Field("conductivity", Table.HOLDING, 2, "u16", sentinel=0xFFFF),
        Field("samples", Table.HOLDING, 3, "u16"),
        Field("status", Table.HOLDING, 4, "u16"),
    ])  # fmt: skip
    KEPT = ("water", "warmth", "samples_ms", "fault_s")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.water = float(rng.uniform(14.0, 26.0))
        self.warmth: float | None = None
        self.samples_ms = int(rng.integers(65_000, 65_536)) * int(1000 * SAMPLE_S)
        self.fault_s = 0.0
        self._salts = float(rng.uniform(600.0, 1400.0))  # of the pore water: more where salt is strewn

    def step(self, now: Moment) -> None:
        sky = now.sky
        self.samples_ms += round(now.dt * 1000)
        self.fault_s = max(0.0, self.fault_s - now.dt)
        if self.happens(150_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.fault_s = float(self.rng.uniform(60.0, 600.0))
        if self.warmth is None:
            self.warmth = 0.8 * sky.temperature + 3.0
        self.warmth += (sky.temperature + 1.5e-5 * sky.illuminance - self.warmth) * min(1.0, now.dt / 20_000.0)
        rain = SOAK * sky.rain * now.dt / 3600.0
        drained = max(0.0, self.water - FIELD_CAPACITY) * min(1.0, now.dt / DRAIN_S)
        # A full sun takes some 5 mm a day from a wet pit, less the drier it is.
        thirst = 5.5e-5 * (sky.illuminance / 1e5 + 0.05) * max(0.0, self.water - 0.5 * WILTING) / 20.0
        self.water = max(0.5 * WILTING, min(SATURATED, self.water + rain - drained - thirst * now.dt))
        frozen, faulty = self.warmth < -0.5, self.fault_s > 0.0
        blind = frozen or faulty
        self.values = {
            "moisture": None if blind else self.noisy(self.water, 0.08),
            "temperature": None if faulty else self.noisy(self.warmth, 0.04),
            "conductivity": None if blind else abs(self.noisy(self._salts * self.water / 45.0, 2.0)),
            "samples": self.samples_ms // int(1000 * SAMPLE_S) % 65_536,
            "status": word(not blind and self.water < WILTING + 3.0, not blind and self.water > 38.0, frozen, faulty),
        }
