"""A sound level meter on a pole: the street's noise, and the statistics of its last minute."""

import math
from collections import deque

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options

WINDOW_S = 60
WINDY_M_S = 5.0
CALIBRATE_EVERY_S, CALIBRATE_S = 24 * 3600.0, 30.0
LEVELS = ("level", "leq", "lmax", "lmin", "l10", "l90")


class NoiseMeter(RegisterDevice):
    """Checks itself with a reference tone once a day, and has no level meanwhile. `limit` is written in dB."""

    MODEL = "noise_meter"
    LAYOUT = Layout(
        [
            *(Field(name, Table.INPUT, n, "u16", 0.1, sentinel=0xFFFF) for n, name in enumerate(LEVELS)),
            Field("dose_time", Table.INPUT, 6, "u32", order="CDAB"),
            Field("status", Table.INPUT, 8, "u16"),
            Field("limit", Table.HOLDING, 0, "u16", limits=(40, 90)),
        ],
        writable=("limit",),
    )
    KEPT = ("limit", "over_ms")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.limit = 70  # GB 3096: class 4a by day, along a main road
        self.over_ms = int(rng.integers(1_000, 900_000)) * 1000
        self.load_w = 1.2
        self._minute: deque[float] = deque(maxlen=WINDOW_S)
        self._horn_s = 0.0
        self._calibrate_at = float(rng.uniform(0.0, CALIBRATE_EVERY_S))

    def step(self, now: Moment) -> None:
        self._horn_s = max(0.0, self._horn_s - now.dt)
        if self.happens(240.0, now.dt):
            self._horn_s = float(self.rng.uniform(1.0, 4.0))
        calibrating = (now.seconds - self._calibrate_at) % CALIBRATE_EVERY_S < CALIBRATE_S
        over = False
        if not calibrating:
            wind = max(0.0, now.sky.wind_speed - 3.0)
            level = self.noisy(now.sky.noise + 2.0 * wind, 1.8) + (16.0 if self._horn_s else 0.0)
            self._minute.append(level)
            over = energy_mean(self._minute) > self.limit
            self.over_ms += over * round(now.dt * 1000)
        heard = sorted(self._minute)
        self.values = {
            **dict.fromkeys(LEVELS, None),
            "dose_time": self.over_ms // 1000 % 2**32,
            "status": word(over, now.sky.wind_speed > WINDY_M_S, calibrating),
            "limit": self.limit,
        }
        if not calibrating:
            self.values |= {
                "level": self._minute[-1],
                "leq": energy_mean(self._minute),
                "lmax": heard[-1],
                "lmin": heard[0],
                "l10": heard[int(0.9 * (len(heard) - 1))],
                "l90": heard[int(0.1 * (len(heard) - 1))],
            }


def energy_mean(levels: deque[float]) -> float:
    """The steady level that carries the same energy (IEC 61672-1, 3.9)."""
    return 10.0 * math.log10(sum(10.0 ** (level / 10.0) for level in levels) / len(levels))
