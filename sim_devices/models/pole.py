"""What hangs on a smart pole: the lamp's controller and the meter of its supply; and the meter of the whole feeder."""

from typing import Any

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table
from sim_devices.models.base import Moment, Options
from sim_devices.physics.mains import current, load_share, reactive
from sim_devices.physics.weather import local_hour

DUSK, DAWN = -1.5, -0.5  # degrees of the sun's elevation: street lamps come on when it is dark enough to need them
RAMP = 12.0  # percent a second
EVENING, NIGHT, MORNING = 100, 60, 80  # percent
STANDBY_W = 1.2
OVER_TEMPERATURE = 75.0


def plan(hour: float) -> int:
    """The level of the dimming plan at a local hour: full, less after 23:00, more again from 5:00."""
    if 5.0 <= hour < 12.0:
        return MORNING
    return NIGHT if hour >= 23.0 or hour < 5.0 else EVENING


class LampController(RegisterDevice):
    """Follows the sun and its plan; whoever writes `relay` or `dim_setpoint` is obeyed until the plan next changes."""

    MODEL = "lamp_controller"
    LAYOUT = Layout(
        [
            Field("dim_setpoint", Table.HOLDING, 0, "u16", limits=(0, 100)),
            Field("relay", Table.COIL, 0),
            Field("lamp_power", Table.INPUT, 0, "u16", 0.1),
            Field("lamp_current", Table.INPUT, 1, "u16", 0.001),
            Field("case_temperature", Table.INPUT, 2, "i16", 0.1, sentinel=0x8000),
            Field("burning_hours", Table.INPUT, 3, "u32"),
            Field("status", Table.INPUT, 5, "u16"),
            Field("dim_level", Table.INPUT, 6, "u16"),
        ],
        writable=("dim_setpoint", "relay"),
    )
    KEPT = ("dim_setpoint", "relay", "level", "burning_ms", "case", "planned", "failed_s")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.rated_w = options.rated_w or 100.0
        self.dim_setpoint = EVENING
        self.relay = False
        self.level = 0.0
        self.burning_ms = int(rng.integers(2_000, 9_000)) * 3_600_000
        self.case: float | None = None
        self.planned: list[int] = []
        self.failed_s = 0.0

    def step(self, now: Moment) -> None:
        dark = now.sky.elevation < (DAWN if self.relay else DUSK)
        wanted = [int(dark), plan(local_hour(now.seconds))]
        if wanted != self.planned:
            self.planned = wanted
            self.relay, self.dim_setpoint = dark, wanted[1]

        self.failed_s = max(0.0, self.failed_s - now.dt)
        if self.relay and self.happens(40_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.failed_s = float(self.rng.uniform(90.0, 600.0))
        lit = self.relay and not self.failed_s
        target = float(self.dim_setpoint) if lit else 0.0
        # Light comes on by a ramp; a relay that opens, or a driver that fails, is sudden.
        self.level = min(target, self.level + RAMP * now.dt) if target > self.level else (
            max(target, self.level - RAMP * now.dt) if lit else 0.0
        )  # fmt: skip
        share = self.level / 100.0
        power = self.rated_w * (0.06 + 0.94 * share**1.06) if self.level else 0.0
        self.load_w = round(STANDBY_W + power, 1)

        warm = now.sky.temperature + 2.0 + now.sky.illuminance * 9e-5 + 24.0 * power / self.rated_w
        if self.case is None:
            self.case = warm
        self.case += (warm - self.case) * min(1.0, now.dt / 900.0)
        if self.level:
            self.burning_ms += round(now.dt * 1000)
        volts = self.mains.voltage(now.seconds, self.options.phase)
        shown = max(0.0, self.noisy(self.load_w, 0.25, 0.6 * self.rated_w))
        hot = self.case > OVER_TEMPERATURE
        self.values = {
            "dim_setpoint": self.dim_setpoint,
            "relay": self.relay,
            "lamp_power": shown,
            "lamp_current": current(shown, volts, 0.95 if lit else 0.45),
            # Some thermistors lose contact when the pole shakes.
            "case_temperature": None if self.rng.random() < 5e-4 else self.noisy(self.case, 0.15, 12.0),
            "burning_hours": self.burning_ms // 360_000,
            "status": int(self.level > 0.0) | int(self.failed_s > 0.0) << 1 | int(hot) << 2,
            "dim_level": round(self.level),
        }


class SinglePhaseMeter(RegisterDevice):
    """Counts exactly what it shows: `energy` is the sum of `power` over the steps, in whole tenths of a watt."""

    MODEL = "meter_1p"
    RANK = 2
    LAYOUT = Layout([
        Field("voltage", Table.INPUT, 0, "u16", 0.1),
        Field("current", Table.INPUT, 1, "i32", 0.001),
        Field("power", Table.INPUT, 3, "i32", 0.1),
        Field("power_factor", Table.INPUT, 5, "i16", 0.001),
        Field("frequency", Table.INPUT, 6, "u16", 0.01),
        Field("energy", Table.INPUT, 10, "u64"),
        Field("poll_count", Table.INPUT, 14, "u32"),
    ])  # fmt: skip
    KEPT = ("energy_dw_ms", "poll_count")
    COUNT_DW_MS = 360_000_000  # 0.01 kWh in tenths of a watt times milliseconds

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.base_w = options.base_w or float(rng.uniform(9.0, 18.0))  # a camera and a radio
        self.energy_dw_ms = int(rng.integers(40_000, 400_000)) * self.COUNT_DW_MS
        self.poll_count = 0
        self.power_dw = 0

    def step(self, now: Moment) -> None:
        # What was shown held until now.
        self.energy_dw_ms += self.power_dw * round(now.dt * 1000)
        base = self.base_w * (1.0 + 0.05 * self.rng.standard_normal())
        watts = sum(device.load_w for device in self.loads) + base
        self.load_w = base
        self.power_dw = round(10.0 * watts)
        factor = min(0.99, 0.62 + 0.34 * watts / (watts + 25.0))
        volts = self.mains.voltage(now.seconds, self.options.phase)
        self.values = {
            "voltage": self.noisy(volts, 0.12, 35.0),
            "current": current(watts, volts, factor),
            "power": self.power_dw / 10.0,
            "power_factor": self.noisy(factor, 0.002),
            "frequency": self.mains.frequency(now.seconds),
            "energy": self.energy_dw_ms // self.COUNT_DW_MS,
            "poll_count": self.poll_count,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        super().restore(kept)
        # Requests after the snapshot are not known: a jump keeps any number from being given twice.
        self.poll_count += 1000

    def touched(self, fields: list[Field]) -> None:
        if any(field.name == "poll_count" for field in fields):
            self.poll_count = (self.poll_count + 1) & 0xFFFFFFFF
            self.values["poll_count"] = self.poll_count


class ThreePhaseMeter(RegisterDevice):
    """At the head of a feeder: all loads on its circuits by phase, and what the rest of the street draws."""

    MODEL = "meter_3p"
    RANK = 3
    LAYOUT = Layout([
        *(Field(f"voltage_{name}", Table.INPUT, 2 * n, "f32", order="CDAB") for n, name in enumerate("abc")),
        *(Field(f"current_{name}", Table.INPUT, 6 + 2 * n, "f32", order="CDAB") for n, name in enumerate("abc")),
        Field("power", Table.INPUT, 12, "f32", order="CDAB"),
        Field("reactive_power", Table.INPUT, 14, "f32", order="CDAB"),
        Field("power_factor", Table.INPUT, 16, "f32", order="CDAB"),
        Field("energy_import", Table.INPUT, 20, "i64"),
    ])  # fmt: skip
    KEPT = ("energy_dw_ms",)
    COUNT_DW_MS = 36_000_000  # 0.001 kWh

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.base_w = options.base_w or 2_400.0
        self.energy_dw_ms = int(rng.integers(3_000_000, 90_000_000)) * self.COUNT_DW_MS
        self.power_dw = 0

    def step(self, now: Moment) -> None:
        self.energy_dw_ms += self.power_dw * round(now.dt * 1000)
        factor = 0.93 - 0.05 * load_share(now.seconds)
        volts = [self.mains.voltage(now.seconds, phase) for phase in range(3)]
        street = self.base_w * load_share(now.seconds)
        watts = [share * street * (1.0 + 0.01 * self.rng.standard_normal()) for share in (0.36, 0.31, 0.33)]
        for device in self.loads:
            # A pole's meter draws only its own base load: lamps are on the circuit themselves, and count once.
            watts[device.options.phase] += device.load_w
        self.power_dw = round(10.0 * sum(watts))
        total_kw = self.power_dw / 10_000.0
        self.values = {
            "power": total_kw,
            "reactive_power": reactive(total_kw, factor),
            "power_factor": self.noisy(factor, 0.001),
            "energy_import": self.energy_dw_ms // self.COUNT_DW_MS,
        }
        for phase, name in enumerate("abc"):
            self.values[f"voltage_{name}"] = self.noisy(volts[phase], 0.06)
            self.values[f"current_{name}"] = current(watts[phase], volts[phase], factor)
