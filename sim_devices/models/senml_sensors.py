"""Sensors that push SenML: the climate at a pole, and what happens under a manhole cover."""

import numpy as np

from protocols.senml.record import Value
from sim_devices.coap.device import SenmlDevice
from sim_devices.models.base import Moment, Options

BATTERY_V = 3.6  # a lithium cell, of which a year takes a twentieth
YEAR_S = 31_557_600.0


class ClimateSensor(SenmlDevice):
    MODEL = "climate_sensor"
    UNITS = {"temperature": "Cel", "humidity": "%RH", "battery": "V"}  # noqa: RUF012
    KEPT = ("age_s",)

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.age_s = float(rng.uniform(0.0, YEAR_S))

    def step(self, now: Moment) -> None:
        self.age_s += now.dt
        self.values = {
            "temperature": round(self.noisy(now.sky.temperature, 0.05), 2),
            "humidity": round(min(100.0, max(0.0, self.noisy(now.sky.humidity, 0.3))), 1),
            "battery": round(BATTERY_V * (1.0 - 0.05 * self.age_s / YEAR_S), 3),
        }


class ManholeCover(SenmlDevice):
    """Rain fills the shaft; somebody opens the cover every other hour, for some minutes."""

    MODEL = "manhole_cover"
    UNITS = {"tilt": "deg", "level": "m", "battery": "V"}  # noqa: RUF012
    RECORDS = {"cover": "open", "water_level": "level"}  # noqa: RUF012
    KEPT = ("age_s", "level_m", "open_s")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.age_s = float(rng.uniform(0.0, YEAR_S))
        self.level_m = float(rng.uniform(0.0, 0.3))
        self.open_s = 0.0

    def step(self, now: Moment) -> None:
        self.age_s += now.dt
        self.level_m = min(4.0, self.level_m + now.sky.rain * now.dt / 3600.0 * 0.1)
        self.level_m -= self.level_m * now.dt / 10_800.0
        self.open_s = max(0.0, self.open_s - now.dt)
        if self.open_s <= 0.0 and self.happens(7200.0, now.dt):
            self.open_s = float(self.rng.uniform(60.0, 600.0))
        is_open = self.open_s > 0.0
        self.values = {
            "cover": is_open,
            "tilt": round(abs(self.noisy(75.0 if is_open else 1.0, 0.3)), 1),
            "water_level": round(self.level_m, 3),
            "battery": round(BATTERY_V * (1.0 - 0.05 * self.age_s / YEAR_S), 3),
        }

    def is_urgent(self, before: dict[str, Value], now: dict[str, Value]) -> bool:
        return before.get("open") != now.get("open")
