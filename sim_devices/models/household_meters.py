"""Meters of CJ/T 188: water, gas and heat of a building."""

import numpy as np

from protocols.cjt188.records import HEAT, WATER
from protocols.cjt188.units import CODES
from sim_devices.cjt188.device import RecordDevice
from sim_devices.models.base import Moment, Options
from sim_devices.physics.weather import LOCAL, bump, local_hour

DAY_S = 86_400
COUNT_ML = 10_000  # 0.01 m3 in millilitres
COUNT_J = 36_000  # 0.01 kWh
WATER_J_PER_L_K = 4_186
KNOWN_LIFE_YEARS = 6.0  # of a meter's battery


class _UseMeter(RecordDevice):
    """Counts what people use, by the hour and by chance; `settlement` is what it showed at midnight."""

    LAYOUT = WATER
    UNITS = {"total": CODES["m3"], "settlement": CODES["m3"]}  # noqa: RUF012
    COUNTERS = ("total", "settlement")
    KEPT = ("used_ml", "settled", "day", "battery_years")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        counts = options.begin(int(rng.integers(10_000, 900_000)))
        self.used_ml = counts * COUNT_ML
        self.settled = max(0, counts - 150)
        self.day = 0
        self.battery_years = float(rng.uniform(0.0, KNOWN_LIFE_YEARS - 1.0))

    def demand(self, hour: float) -> float:
        """Litres an hour at a local hour of the day."""
        raise NotImplementedError

    def step(self, now: Moment) -> None:
        litres = self.demand(local_hour(now.seconds)) * now.dt / 3600.0
        self.used_ml += round(1000.0 * litres * self.rng.lognormal(0.0, 0.6))
        day = int(now.seconds + LOCAL) // DAY_S
        if self.day and day != self.day:
            self.settled = self.used_ml // COUNT_ML
        self.day = day
        self.battery_years += now.dt / (365.25 * DAY_S)
        self.clock_s = now.seconds
        self.values = {
            "total": self.used_ml // COUNT_ML,
            "settlement": self.settled,
            "valve": 0,
            "battery": int(self.battery_years > KNOWN_LIFE_YEARS),
        }


class WaterMeter(_UseMeter):
    MODEL = "water_meter"
    TYPE = 0x10

    def demand(self, hour: float) -> float:
        """Of a building: little at night, most in the morning and in the evening."""
        return 25.0 + 420.0 * bump(hour, 7.2, 1.2) + 260.0 * bump(hour, 12.2, 1.6) + 520.0 * bump(hour, 19.6, 2.2)


class GasMeter(_UseMeter):
    MODEL = "gas_meter"
    TYPE = 0x30

    def demand(self, hour: float) -> float:
        """Of its kitchens."""
        return 8.0 + 350.0 * bump(hour, 7.0, 0.8) + 600.0 * bump(hour, 11.6, 1.0) + 800.0 * bump(hour, 18.3, 1.3)


class HeatMeter(RecordDevice):
    """District heat: the colder it is outside the warmer comes the water. Heat is flow times cooling, exactly."""

    MODEL = "heat_meter"
    TYPE = 0x20
    LAYOUT = HEAT
    UNITS = {  # noqa: RUF012
        "settlement": CODES["kWh"],
        "heat": CODES["kWh"],
        "power": CODES["kW"],
        "flow": CODES["m3/h"],
        "volume": CODES["m3"],
    }
    COUNTERS = ("settlement", "heat", "volume", "hours")
    KEPT = ("heat_j", "volume_ml", "work_ms", "settled", "day")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        counts = options.begin(int(rng.integers(100_000, 9_000_000)))
        self.heat_j = counts * COUNT_J
        self.volume_ml = int(rng.integers(100_000, 900_000)) * COUNT_ML
        self.work_ms = int(rng.integers(1_000, 40_000)) * 3_600_000
        self.settled = counts
        self.day = 0

    def step(self, now: Moment) -> None:
        need = max(0.15, min(1.0, (20.0 - now.sky.temperature) / 30.0))
        supply = self.noisy(35.0 + 30.0 * need, 0.05)
        returned = supply - (4.0 + 11.0 * need)
        flow = max(0.0, self.noisy(0.4 + 1.2 * need, 0.01))  # m3/h
        millilitres = round(1e6 * flow * now.dt / 3600.0)
        self.volume_ml += millilitres
        self.heat_j += round(millilitres * WATER_J_PER_L_K * (supply - returned) / 1000.0)
        self.work_ms += round(now.dt * 1000)
        day = int(now.seconds + LOCAL) // DAY_S
        if self.day and day != self.day:
            self.settled = self.heat_j // COUNT_J
        self.day = day
        self.clock_s = now.seconds
        self.values = {
            "heat": self.heat_j // COUNT_J,
            "settlement": self.settled,
            "power": flow * 1000.0 * WATER_J_PER_L_K * (supply - returned) / 3.6e6,
            "flow": flow,
            "volume": self.volume_ml // COUNT_ML,
            "supply": supply,
            "return": returned,
            "hours": self.work_ms // 3_600_000,
            "battery": 0,
        }
