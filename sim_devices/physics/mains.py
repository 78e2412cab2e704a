"""The mains at one feeder: voltage by phase, frequency, and the load that the street puts on it."""

import math

from sim_devices.physics.noise import Curve
from sim_devices.physics.weather import bump, local_hour

NOMINAL_V = 228.0


def load_share(seconds: float) -> float:
    """How busy the grid is, 0.3..1: a low before dawn, a shoulder by day, the evening peak."""
    hour = local_hour(seconds)
    return 0.35 + 0.22 * bump(hour, 10.0, 3.5) + 0.15 * bump(hour, 14.5, 3.0) + 0.5 * bump(hour, 19.5, 2.8)


class Mains:
    def __init__(self, seed: int, feeder: str) -> None:
        self._slow = [Curve(seed, f"mains.{feeder}.{phase}", 900.0) for phase in "abc"]
        self._fast = [Curve(seed, f"mains.{feeder}.{phase}.fast", 7.0) for phase in "abc"]
        self._frequency = Curve(seed, "mains.frequency", 20.0)  # one grid: the same at every feeder
        self._drift = Curve(seed, "mains.frequency.drift", 600.0)

    def voltage(self, seconds: float, phase: int) -> float:
        """Volts of phase 0, 1 or 2 to neutral; GB/T 12325 allows 220 V +7 % -10 %."""
        drop = 9.0 * (load_share(seconds) - 0.35)
        slow, fast = self._slow[phase].at(seconds), self._fast[phase].at(seconds)
        return NOMINAL_V + (0.9, -0.4, 0.3)[phase] - drop + 1.1 * slow + 0.25 * fast

    def frequency(self, seconds: float) -> float:
        return 50.0 + 0.012 * self._frequency.at(seconds) + 0.015 * self._drift.at(seconds)


def current(power_w: float, volts: float, power_factor: float) -> float:
    return power_w / (volts * power_factor) if volts > 1.0 else 0.0


def reactive(power: float, power_factor: float) -> float:
    """The reactive power that belongs to an active one."""
    return power * math.tan(math.acos(min(1.0, power_factor)))
