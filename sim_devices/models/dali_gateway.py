"""A DALI gateway: sixteen lamps in four groups, dimmed in DALI's logarithmic steps."""

import math

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.models.pole import DAWN, DUSK, plan
from sim_devices.physics.weather import local_hour

GROUPS, LAMPS_A_GROUP = 4, 4
MAX_LEVEL, MASK = 254, 255
STANDBY_W = 0.4  # of each driver


def light(level: float) -> float:
    """Percent of full light at a level above 0: IEC 62386-102, 9.3, three decades over 253 steps."""
    return float(10.0 ** ((level - 1.0) / (253.0 / 3.0) - 1.0))


def level_for(percent: float) -> int:
    """The DALI level next to a percentage of light."""
    return round(1.0 + (math.log10(percent) + 1.0) * 253.0 / 3.0) if percent > 0.0 else 0


def fade_s(code: int) -> float:
    """IEC 62386-102, 9.5: 0 is at once, then 0.5 s times the square root of 2 to the code."""
    return 0.5 * math.sqrt(2.0**code) if code else 0.0


class DaliGateway(RegisterDevice):
    """Follows dusk and the dimming plan like the poles' lamps; a level that is written holds until the plan changes.

    `rated_w` is one lamp's. A fade goes over the whole of what is asked in the fade time, as DALI has it.
    """

    MODEL = "dali_gateway"
    LAYOUT = Layout(
        [
            *(Field(f"group_{g + 1}_level", Table.HOLDING, g, "u16", limits=(0, MAX_LEVEL)) for g in range(GROUPS)),
            Field("fade_time", Table.HOLDING, 4, "u16", limits=(0, 15)),
            *(Field(f"group_{g + 1}_actual", Table.INPUT, g, "u16", sentinel=MASK) for g in range(GROUPS)),
            *(Field(f"group_{g + 1}_light", Table.INPUT, 4 + g, "u16", 0.1, sentinel=0xFFFF) for g in range(GROUPS)),
            *(Field(f"group_{g + 1}_power", Table.INPUT, 8 + g, "u16", 0.1, sentinel=0xFFFF) for g in range(GROUPS)),
            *(Field(f"group_{g + 1}_hours", Table.INPUT, 12 + 2 * g, "u32") for g in range(GROUPS)),
            Field("lamps_found", Table.INPUT, 20, "u16"),
            Field("failures", Table.INPUT, 21, "u16"),
            Field("status", Table.INPUT, 22, "u16"),
        ],
        writable=(*(f"group_{g + 1}_level" for g in range(GROUPS)), "fade_time"),
    )
    KEPT = (
        *(f"group_{g + 1}_level" for g in range(GROUPS)),
        "fade_time",
        "actual",
        "burning_ms",
        "failures",
        "planned",
    )
    group_1_level: int
    group_2_level: int
    group_3_level: int
    group_4_level: int

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.rated_w = options.rated_w or 45.0
        self.group_1_level = self.group_2_level = self.group_3_level = self.group_4_level = 0
        self.fade_time = 7
        self.actual = [0.0] * GROUPS
        self.burning_ms = [int(each) * 3_600_000 for each in rng.integers(500, 9_000, GROUPS)]
        self.failures = 0  # a bit a lamp
        self.planned: list[int] = []
        self._mute_s = 0.0  # the bus is without power
        self._from = [0.0] * GROUPS
        self._target = [0] * GROUPS

    @property
    def wanted(self) -> list[int]:
        return [getattr(self, f"group_{group + 1}_level") for group in range(GROUPS)]

    def step(self, now: Moment) -> None:
        self._follow_plan(now)
        self._fail(now.dt)
        mute = self._mute_s > 0.0
        watts = []
        fading = False
        for group, wanted in enumerate(self.wanted):
            # Without its bus a DALI driver goes to its system failure level, here full light.
            fading |= self._fade(group, MAX_LEVEL if mute else wanted, now.dt)
            burning = LAMPS_A_GROUP - (self.failures >> LAMPS_A_GROUP * group & 0xF).bit_count()
            level = self.actual[group]
            share = light(level) / 100.0 if level >= 1.0 else 0.0
            if share:
                self.burning_ms[group] += round(now.dt * 1000)
            watts.append(LAMPS_A_GROUP * STANDBY_W + burning * self.rated_w * (0.05 * (share > 0.0) + 0.95 * share))
        self.load_w = round(sum(watts), 1)
        self.values = {
            "fade_time": self.fade_time,
            "lamps_found": 0 if mute else GROUPS * LAMPS_A_GROUP,
            "failures": self.failures,
            "status": word(mute, fading, self.failures != 0),
        }
        for group, wanted in enumerate(self.wanted):
            name, level = f"group_{group + 1}", self.actual[group]
            self.values |= {
                f"{name}_level": wanted,
                f"{name}_actual": None if mute else round(level),
                f"{name}_light": None if mute else light(level) if level >= 1.0 else 0.0,
                f"{name}_power": None if mute else self.noisy(watts[group], 0.1),
                f"{name}_hours": self.burning_ms[group] // 36_000 % 2**32,
            }

    def _follow_plan(self, now: Moment) -> None:
        was_dark = bool(self.planned and self.planned[0])
        dark = now.sky.elevation < (DAWN if was_dark else DUSK)
        planned = [int(dark), plan(local_hour(now.seconds))]
        if planned != self.planned:
            self.planned = planned
            for group in range(GROUPS):
                setattr(self, f"group_{group + 1}_level", level_for(planned[1]) if dark else 0)

    def _fail(self, dt: float) -> None:
        wear = max(self.options.wear, 1e-3)
        self._mute_s = max(0.0, self._mute_s - dt)
        if self.happens(200_000.0 / wear, dt):
            self._mute_s = float(self.rng.uniform(20.0, 120.0))
        if self.happens(90_000.0 / wear, dt):
            self.failures |= 1 << int(self.rng.integers(GROUPS * LAMPS_A_GROUP))
        elif self.happens(90_000.0, dt):
            self.failures = 0  # the crew was there

    def _fade(self, group: int, target: int, dt: float) -> bool:
        """Moves a group on its way; whether it is still under way."""
        if target != self._target[group]:
            self._target[group], self._from[group] = target, self.actual[group]
        level, way = self.actual[group], abs(target - self._from[group])
        stride = way * dt / fade_s(self.fade_time) if self.fade_time else float(MAX_LEVEL)
        self.actual[group] = min(target, level + stride) if target > level else max(target, level - stride)
        return self.actual[group] != target
