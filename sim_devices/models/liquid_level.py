"""An ultrasonic level gauge over a compartment's sump, or over a gully in the street."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options

HEIGHT_MM = 1600.0  # of the gauge above the ground
GULLY_MM, DRY_MM = 1100.0, 80.0  # a gully's rim; what stands in it always
HIGH_MM, LOW_MM = 700.0, 70.0
FILL_MM_PER_MM = 60.0  # a gully drains the street around it
DRAIN_S = 1200.0


class LiquidLevel(RegisterDevice):
    """Foam, and the splashing of a pump, cost it echoes: the quality falls first, then the echo is lost."""

    MODEL = "liquid_level"
    RANK = 2
    LAYOUT = Layout([
        Field("level", Table.HOLDING, 0, "i16", sentinel=0x7FFF),
        Field("distance", Table.HOLDING, 1, "i16", sentinel=0x7FFF),
        Field("echo_quality", Table.HOLDING, 2, "u16"),
        Field("air_temperature", Table.HOLDING, 3, "i16", 0.1, sentinel=0x8000),
        Field("lost_echoes", Table.HOLDING, 4, "u16"),
        Field("run_time", Table.HOLDING, 5, "u32", order="DCBA"),
        Field("status", Table.HOLDING, 7, "u16"),
    ])  # fmt: skip
    KEPT = ("gully_mm", "lost", "run_ms", "fault_s")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.gully_mm = DRY_MM
        self.lost = int(rng.integers(0, 65_536))
        self.run_ms = int(rng.integers(1_000, 30_000)) * 3_600_000
        self.fault_s = 0.0

    def step(self, now: Moment) -> None:
        self.run_ms += round(now.dt * 1000)
        self.fault_s = max(0.0, self.fault_s - now.dt)
        if self.happens(120_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.fault_s = float(self.rng.uniform(30.0, 300.0))
        foam = 4.0 * now.sky.rain
        if self.compartment is not None:
            water, warmth = self.compartment.water_mm, self.compartment.temperature
            foam = 30.0 if self.compartment.pumping else 0.0
        else:
            run_off = FILL_MM_PER_MM * now.sky.rain / 3600.0
            self.gully_mm += (run_off - (self.gully_mm - DRY_MM) / DRAIN_S) * min(now.dt, DRAIN_S)
            self.gully_mm = max(DRY_MM, min(GULLY_MM, self.gully_mm))
            water, warmth = self.gully_mm, now.sky.temperature
        quality = max(0.0, min(100.0, self.noisy(92.0 - min(foam, 60.0), 4.0)))
        faulty = self.fault_s > 0.0
        echo = not faulty and quality > 25.0 and self.rng.random() > 1e-3
        self.lost += not echo
        level = self.noisy(water, 0.8 + 0.1 * foam, 150.0) if echo else None
        self.values = {
            "level": level,
            "distance": None if level is None else HEIGHT_MM - level,
            "echo_quality": round(quality) if echo else 0,
            "air_temperature": None if faulty else self.noisy(warmth, 0.1),
            "lost_echoes": self.lost % 65_536,
            "run_time": self.run_ms // 1000 % 2**32,
            "status": word(not echo, water > HIGH_MM, water < LOW_MM, faulty),
        }
