"""A parking space at the kerb, and what its sensor in the ground makes of the cars."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.physics.traffic import Traffic

FREE, OCCUPIED, MANOEUVRING = range(3)
EARTH_UT = (28.0, -2.0, 46.0)  # Beijing: mostly downwards
TURN_S = 900.0  # how often a driver looks for a space here
MOVE_S = (6.0, 25.0)
LOW_V = 3.0


class ParkingSensor(RegisterDevice):
    """Cars come and go as the hour has it; each bends the earth's field in its own way."""

    MODEL = "parking_sensor"
    LAYOUT = Layout([
        Field("occupancy", Table.INPUT, 0, "u16"),
        *(Field(f"field_{axis}", Table.INPUT, 1 + n, "i16", 0.1, sentinel=0x8000) for n, axis in enumerate("xyz")),
        Field("radar_distance", Table.INPUT, 4, "u16", sentinel=0xFFFF),
        Field("battery", Table.INPUT, 5, "u16", 0.001),
        Field("temperature", Table.INPUT, 6, "i16", 0.1, sentinel=0x8000),
        Field("arrivals", Table.INPUT, 7, "u16"),
        Field("occupied_time", Table.INPUT, 8, "u32", order="BADC"),
        Field("status", Table.INPUT, 10, "u16"),
    ])  # fmt: skip
    KEPT = ("car", "clearance_cm", "moving_s", "arrivals", "occupied_ms", "covered_s", "used_v", "ground")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.car: list[float] | None = None  # how the parked car bends the field, in uT
        self.clearance_cm = 0.0
        self.moving_s = 0.0
        self.arrivals = int(rng.integers(60_000, 65_536))
        self.occupied_ms = int(rng.integers(1_000, 400_000)) * 60_000
        self.covered_s = 0.0
        self.used_v = float(rng.uniform(0.0, 0.5))
        self.ground: float | None = None
        self._own = [float(each) for each in rng.normal(0.0, 3.0, 3)]  # iron near the hole
        self._learning_s = 20.0

    def step(self, now: Moment) -> None:
        self._learning_s = max(0.0, self._learning_s - now.dt)
        self.moving_s = max(0.0, self.moving_s - now.dt)
        self.covered_s = max(0.0, self.covered_s - now.dt)
        if self.car is not None:
            self.occupied_ms += round(now.dt * 1000)
        self._drive(now)
        if self.happens(90_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.covered_s = float(self.rng.uniform(60.0, 1800.0))  # leaves, snow
        air = now.sky.temperature + now.sky.illuminance * 1.4e-4 * (self.car is None)
        if self.ground is None:
            self.ground = air
        self.ground += (air - self.ground) * min(1.0, now.dt / 2400.0)
        self.used_v += now.dt * 4e-9
        battery = 3.65 - self.used_v + 0.003 * min(0.0, self.ground)
        state = MANOEUVRING if self.moving_s else FREE if self.car is None else OCCUPIED
        bent = self.car or [0.0, 0.0, 0.0]
        stir = 6.0 if self.moving_s else 0.15
        self.values = {
            "occupancy": state,
            "radar_distance": None
            if self.car is None or self.covered_s
            else max(5.0, self.noisy(self.clearance_cm, 0.6)),
            "battery": self.noisy(battery, 0.001),
            "temperature": None if self.rng.random() < 5e-4 else self.noisy(self.ground, 0.1),
            "arrivals": self.arrivals % 65_536,
            "occupied_time": self.occupied_ms // 60_000 % 2**32,
            "status": word(battery < LOW_V, self.covered_s > 0.0, self._learning_s > 0.0),
        }
        for axis, earth, own, car in zip("xyz", EARTH_UT, self._own, bent, strict=True):
            # While it learns its surroundings it does not know which field is theirs.
            self.values[f"field_{axis}"] = None if self._learning_s else self.noisy(earth + own + car, stir)

    def _drive(self, now: Moment) -> None:
        """Comings and goings whose balance is the hour's share of taken spaces."""
        taken = Traffic.parked(now.seconds)
        if self.car is None and self.happens(TURN_S / taken, now.dt):
            self.car = [float(each) for each in self.rng.normal(0.0, 18.0, 3)]
            self.clearance_cm = float(self.rng.uniform(14.0, 32.0))
            self.arrivals += 1
        elif self.car is not None and self.happens(TURN_S / (1.0 - taken), now.dt):
            self.car = None
        else:
            return
        self.moving_s = float(self.rng.uniform(*MOVE_S))
