"""The street's traffic by the hour: vehicles that pass, and kerbside spaces that fill."""

from sim_devices.physics.noise import Curve
from sim_devices.physics.weather import bump, local_hour

FREE_KM_H = 47.0  # on a street with a limit of 50
CAPACITY_H = 900.0  # vehicles an hour and lane between two sets of lights


class Traffic:
    """One lane, or one row of spaces; `name` gives it its own ups and downs. `inbound` has its peak in the morning."""

    def __init__(self, seed: int, name: str, *, inbound: bool) -> None:
        self._pulse = Curve(seed, f"traffic.{name}", 240.0)
        self._morning, self._evening = (1.0, 0.7) if inbound else (0.6, 1.0)

    def flow(self, seconds: float) -> float:
        """Vehicles an hour."""
        hour = local_hour(seconds)
        rush = self._morning * bump(hour, 8.0, 1.6) + self._evening * bump(hour, 18.3, 2.0)
        mean = 25.0 + 310.0 * bump(hour, 13.5, 6.0) + 480.0 * rush
        return mean * max(0.15, 1.0 + 0.25 * self._pulse.at(seconds))

    @staticmethod
    def speed(flow: float, rain_mm_h: float) -> float:
        """km/h at that flow: what it loses in the crowd (the form of the Bureau of Public Roads), and on wet roads."""
        return FREE_KM_H / (1.0 + 0.9 * (flow / CAPACITY_H) ** 4) * (1.0 - 0.12 * min(1.0, rain_mm_h / 4.0))

    @staticmethod
    def parked(seconds: float) -> float:
        """The share of spaces at the kerb that are taken: shops by day, the neighbours by night."""
        hour = local_hour(seconds)
        return min(0.95, 0.35 + 0.4 * bump(hour, 12.0, 4.5) + 0.45 * bump(hour, 1.0, 5.5))
