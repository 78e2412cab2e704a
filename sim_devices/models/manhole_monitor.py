"""A monitor under a manhole's cover: tilt, water, methane. It lives on a battery."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.physics.noise import Curve
from sim_devices.physics.traffic import Traffic
from sim_devices.physics.weather import bump, local_hour

DEPTH_MM, FLOOD_MM = 2400.0, 1500.0
FILL_MM_PER_MM, DRAIN_S = 90.0, 3600.0
OPEN_DEGREES, GAS_LEL, LOW_V = 20.0, 25.0, 3.0
SAMPLE_S, WARM_UP_S = 60.0, 3.0


class ManholeMonitor(RegisterDevice):
    """Rain fills the shaft, warmth brings its gas, lorries shake the cover, and crews lift it by day."""

    MODEL = "manhole_monitor"
    LAYOUT = Layout([
        Field("tilt", Table.INPUT, 0, "i16", 0.1, sentinel=0x8000),
        Field("level", Table.INPUT, 1, "u16", sentinel=0xFFFF),
        Field("ch4", Table.INPUT, 2, "u16", 0.1, sentinel=0xFFFF),
        Field("temperature", Table.INPUT, 3, "i16", 0.1, sentinel=0x8000),
        Field("battery", Table.INPUT, 4, "u16", 0.001),
        Field("open_count", Table.INPUT, 5, "u16"),
        Field("status", Table.INPUT, 6, "u16"),
    ])  # fmt: skip
    KEPT = ("water_mm", "gas_lel", "open_s", "openings", "used_v")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.water_mm = float(rng.uniform(30.0, 200.0))
        self.gas_lel = 0.5
        self.open_s = 0.0
        self.openings = int(rng.integers(20, 900))
        self.used_v = float(rng.uniform(0.0, 0.3))
        self._lie = float(rng.normal(0.0, 0.5))
        self._sample_at = float(rng.uniform(0.0, SAMPLE_S))
        self._brew = Curve(int(rng.integers(2**31)), "manhole.gas", 5400.0)
        self._road = Traffic(int(rng.integers(2**31)), "manhole", inbound=True)

    def step(self, now: Moment) -> None:
        sky = now.sky
        self.open_s = max(0.0, self.open_s - now.dt)
        if not self.open_s and self.happens(60_000.0 / (0.02 + bump(local_hour(now.seconds), 11.0, 4.0)), now.dt):
            self.open_s = float(self.rng.uniform(300.0, 2400.0))
            self.openings += 1
        is_open = self.open_s > 0.0
        inflow = FILL_MM_PER_MM * sky.rain / 3600.0 - (self.water_mm - 40.0) / DRAIN_S
        self.water_mm = max(0.0, min(DEPTH_MM, self.water_mm + inflow * min(now.dt, DRAIN_S)))
        brewed = 0.2 if is_open else max(0.0, 1.5 + 0.12 * sky.temperature + 3.0 * self._brew.at(now.seconds))
        self.gas_lel += (brewed - self.gas_lel) * min(1.0, now.dt / (60.0 if is_open else 1800.0))
        self.used_v += now.dt * 5e-9
        battery = 3.6 - self.used_v
        shaken = self.happens(3600.0 / (0.04 * self._road.flow(now.seconds)), min(now.dt, 1.0))  # a lorry's axle
        warming = (now.seconds - self._sample_at) % SAMPLE_S < WARM_UP_S
        drowned = self.water_mm > FLOOD_MM
        self.values = {
            "tilt": self.noisy(self._lie + (64.0 if is_open else 0.0), 1.5 if shaken or is_open else 0.05),
            # The gauge's echo goes astray while the cover that carries it lies beside the shaft.
            "level": None if is_open else max(0.0, self.noisy(self.water_mm, 1.0)),
            "ch4": None if warming or drowned else max(0.0, self.noisy(self.gas_lel, 0.1)),
            "temperature": self.noisy(13.0 + 0.25 * (sky.temperature - 13.0), 0.05),
            "battery": self.noisy(battery, 0.001),
            "open_count": self.openings % 65_536,
            "status": word(is_open, drowned, self.gas_lel > GAS_LEL, shaken, battery < LOW_V),
        }
