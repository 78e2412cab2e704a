"""One compartment of a utility tunnel: a box of air with seeps, a sump, and whatever ventilates it."""

import math
from dataclasses import dataclass

from sim_devices.physics.noise import Curve

VOLUME_M3 = 900.0  # some 120 m of a 2.4 m by 3.1 m compartment
FAN_M3_S = 2.6  # about ten changes an hour (GB 50838: six at least in an accident)
LEAK_M3_S = 0.02  # what breathes through the covers by itself
SUMP_M2 = 0.8
SUMP_FULL_MM = 950.0  # the pit's rim: more runs along the floor
CH4_M3_PER_LEL_PERCENT = VOLUME_M3 * 0.05 / 100.0  # the lower explosive limit is 5 % by volume
DAMP_RH = 86.0  # what wet walls keep up
GROUND_C = 15.5  # three metres down, the year's mean with a little from the cables


@dataclass
class Compartment:
    """`step` moves the air and the water; devices set `airflow` (0..1), `pumping` (l/s) and `open_doors` before it."""

    ch4: float = 0.6  # % of the lower explosive limit
    o2: float = 20.8  # % by volume
    h2s: float = 0.4  # ppm
    co: float = 1.5  # ppm
    temperature: float = 18.0
    humidity: float = 74.0
    smoke: float = 0.02  # dB/m
    water_mm: float = 260.0
    airflow: float = 0.0
    pumping: float = 0.0
    open_doors: int = 0

    def bind(self, seed: int, name: str, seep: float, inflow: float) -> "Compartment":
        """`seep` scales methane, `inflow` the water; drawn curves give each compartment its own habits."""
        self._seep, self._inflow = seep, inflow
        self._burst = Curve(seed, f"tunnel.{name}.burst", 2400.0)
        self._rot = Curve(seed, f"tunnel.{name}.rot", 5400.0)
        self._traffic = Curve(seed, f"tunnel.{name}.traffic", 1800.0)
        self._trickle = Curve(seed, f"tunnel.{name}.trickle", 1500.0)
        return self

    def step(self, seconds: float, dt: float, outside_c: float, outside_rh: float, rain_mm_h: float) -> None:
        flow = LEAK_M3_S * (1.0 + 3.0 * self.open_doors) + FAN_M3_S * self.airflow
        keep = math.exp(-flow * dt / VOLUME_M3)

        def mix(inside: float, outside: float, source_per_s: float) -> float:
            """The exact solution of one well-mixed step: fresh air in, a constant source."""
            balance = outside + source_per_s * VOLUME_M3 / flow
            return balance + (inside - balance) * keep

        # The seep comes in bursts: the curve above its own mean, squared.
        methane_m3_s = self._seep * (2e-5 + 3.2e-4 * max(0.0, self._burst.at(seconds) - 0.35) ** 2)
        rot = max(0.0, 1.0 + 0.7 * self._rot.at(seconds))
        self.ch4 = mix(self.ch4, 0.05, methane_m3_s / CH4_M3_PER_LEL_PERCENT)
        self.h2s = mix(self.h2s, 0.0, 4e-5 * rot)
        self.co = mix(self.co, 0.8, 3e-5 * max(0.0, 1.0 + self._traffic.at(seconds)))
        self.o2 = mix(self.o2, 20.9, -1.2e-5 * rot)

        cables_k_s = 6e-5
        to_wall = 1.0 - math.exp(-dt / 5400.0)
        self.temperature = mix(self.temperature, outside_c, cables_k_s)
        self.temperature += (GROUND_C + 2.0 - self.temperature) * to_wall
        # Outside air keeps its water and changes its temperature: 6.2 % of relative humidity a kelvin.
        carried = max(10.0, min(99.0, outside_rh * math.exp(0.062 * (outside_c - self.temperature))))
        self.humidity = mix(self.humidity, carried, 0.0)
        self.humidity += (DAMP_RH - self.humidity) * to_wall
        self.smoke = max(0.0, 0.02 + 0.01 * self._traffic.at(seconds))

        trickle = max(0.03, 0.16 + 0.08 * self._trickle.at(seconds) + 0.05 * rain_mm_h) * self._inflow
        self.water_mm += (trickle - self.pumping) * dt / SUMP_M2  # a litre on a square metre is a millimetre
        self.water_mm = max(0.0, min(SUMP_FULL_MM, self.water_mm))
