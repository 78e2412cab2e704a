"""A laser head for methane in a compartment of a tunnel."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options

PPM_PER_LEL_PERCENT = 500.0  # the lower explosive limit is 5 % by volume
HIGH_PPM = 25_000.0
WARM_UP_S, TEST_EVERY_S, TEST_S = 30.0, 3600.0, 5.0
MEASURING, TESTING, WARMING = range(3)
HALF_LIFE_S = 2.0e7  # of the light that dust on the window lets through


class SingleGas(RegisterDevice):
    """Blind while a drop or a spider sits in its light path, and while it warms up or tests itself."""

    MODEL = "single_gas"
    RANK = 2
    LAYOUT = Layout(
        [
            Field("ch4", Table.INPUT, 0, "u32", sentinel=0xFFFFFFFF),
            Field("light", Table.INPUT, 2, "u16", 0.1),
            Field("laser_temperature", Table.INPUT, 3, "i16", 0.01, sentinel=0x8000),
            Field("run_hours", Table.INPUT, 4, "u32", order="CDAB"),
            Field("alarm_count", Table.INPUT, 6, "u16"),
            Field("status", Table.INPUT, 7, "u16"),
            Field("alarm_threshold", Table.HOLDING, 0, "u16", limits=(1000, 25_000)),
        ],
        writable=("alarm_threshold",),
    )
    KEPT = ("alarm_threshold", "run_ms", "alarms", "blocked_s", "dust")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.alarm_threshold = 10_000
        self.run_ms = int(rng.integers(500, 20_000)) * 3_600_000
        self.alarms = int(rng.integers(0, 40))
        self.blocked_s = 0.0
        self.dust = float(rng.uniform(0.0, 0.2))
        self.load_w = 2.5
        self._up_s = 0.0
        self._low = False
        self._test_at = float(rng.uniform(0.0, TEST_EVERY_S))

    def step(self, now: Moment) -> None:
        air = self.here
        self.run_ms += round(now.dt * 1000)
        self._up_s += now.dt
        self.dust = min(0.6, self.dust + now.dt / HALF_LIFE_S)
        self.blocked_s = max(0.0, self.blocked_s - now.dt)
        if self.happens(25_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.blocked_s = float(self.rng.uniform(10.0, 200.0))
        blocked = self.blocked_s > 0.0
        mode = MEASURING
        if self._up_s < WARM_UP_S:
            mode = WARMING
        elif (now.seconds - self._test_at) % TEST_EVERY_S < TEST_S:
            mode = TESTING
        ppm = air.ch4 * PPM_PER_LEL_PERCENT
        seen = mode == MEASURING and not blocked
        low = seen and ppm >= self.alarm_threshold
        self.alarms += low and not self._low
        self._low = low
        self.values = {
            "ch4": max(0.0, self.noisy(ppm, 12.0)) if seen else None,
            "light": abs(self.noisy(3.0 if blocked else 100.0 * (1.0 - self.dust), 0.4)),
            # The laser is held at its temperature, or its line would drift off the gas's.
            "laser_temperature": None if mode == WARMING else self.noisy(30.0, 0.02),
            "run_hours": self.run_ms // 360_000 % 2**32,
            "alarm_count": self.alarms % 65_536,
            "status": word(low, seen and ppm >= HIGH_PPM, blocked) | mode << 8,
            "alarm_threshold": self.alarm_threshold,
        }
