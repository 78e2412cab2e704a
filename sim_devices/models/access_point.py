"""A door of a cabinet or a compartment, or a manhole's cover: open or not, and how it lies."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table
from sim_devices.models.base import Moment, Options
from sim_devices.physics.weather import bump, local_hour

FLOOD_MM = 900.0  # in a compartment's sump
FLOOD_RAIN = 12.0  # mm/h that fills a manhole


class AccessPoint(RegisterDevice):
    """People open it for a while at working hours; at night somebody rarely does, and that is tampering."""

    MODEL = "access_point"
    LAYOUT = Layout([
        Field("door_open", Table.DISCRETE, 0),
        Field("tamper", Table.DISCRETE, 1),
        Field("flooded", Table.DISCRETE, 2),
        Field("battery", Table.INPUT, 0, "u16", 0.001),
        Field("tilt", Table.INPUT, 1, "i16", 0.1),
        Field("open_count", Table.INPUT, 2, "u32"),
    ])  # fmt: skip
    KEPT = ("open_s", "tampered", "open_count", "used_v")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.open_s = 0.0
        self.tampered = False
        self.open_count = int(rng.integers(3, 400))
        self.used_v = float(rng.uniform(0.0, 0.25))
        self._lie = float(rng.normal(0.0, 0.4))

    def step(self, now: Moment) -> None:
        hour = local_hour(now.seconds)
        was_open = self.open_s > 0.0
        self.open_s = max(0.0, self.open_s - now.dt)
        if not was_open and self.happens(2700.0 / (0.02 + bump(hour, 13.0, 5.0)), now.dt):
            self.open_s = float(self.rng.uniform(20.0, 300.0))
            self.open_count += 1
            self.tampered = hour < 6.0 or hour >= 22.0
        is_open = self.open_s > 0.0
        self.tampered = self.tampered and is_open
        if self.compartment is not None:
            flooded = self.compartment.water_mm > FLOOD_MM
            if is_open != was_open:
                self.compartment.open_doors = max(0, self.compartment.open_doors + (1 if is_open else -1))
        else:
            flooded = now.sky.rain > FLOOD_RAIN
        self.used_v += now.dt * 3e-9  # a lithium cell for five years
        cold = 0.004 * min(0.0, now.sky.temperature)
        self.values = {
            "door_open": is_open,
            "tamper": self.tampered,
            "flooded": flooded,
            "battery": self.noisy(3.6 - self.used_v + cold, 0.001),
            "tilt": self.noisy(self._lie + (78.0 if is_open else 0.0), 0.6 if is_open else 0.1),
            "open_count": self.open_count,
        }
