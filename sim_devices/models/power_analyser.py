"""A power analyser at the head of a feeder: what the street takes and its roofs give back, by tariff, and how clean."""

import math
from collections.abc import Iterable

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.physics.mains import current, load_share, reactive
from sim_devices.physics.weather import local_hour

TARIFFS = ("sharp", "peak", "flat", "valley")
HARMONICS = {3: 0.82, 5: 0.49, 7: 0.30}  # shares of the distortion; their squares add up to 1
FULL_SUN_LX = 110_000.0
ROLLOVER = 100_000_000  # eight digits
COUNT_DW_MS = 360_000_000  # 0.01 kWh in tenths of a watt times milliseconds
DEMAND_S = 900.0
STARTING_W = 4.0  # below it the instrument sees no current
DIP_V, OVERLOAD_A, UNBALANCE = 198.0, 63.0, 0.3


def tariff(hour: float) -> str:
    """In the manner of the capital's hours for shops and street lighting."""
    if 18.0 <= hour < 21.0:
        return "sharp"
    if 10.0 <= hour < 13.0 or 17.0 <= hour < 18.0 or 21.0 <= hour < 22.0:
        return "peak"
    return "valley" if hour >= 23.0 or hour < 7.0 else "flat"


def _row(
    name: str,
    each: Iterable[str],
    address: int,
    kind: str,
    step: float = 1.0,
    *,
    order: str = "ABCD",
    sentinel: int | None = None,
) -> list[Field]:
    """Fields one behind the other, NAME_a, NAME_b and so on."""
    size = 1 if kind == "u16" else 2
    return [
        Field(f"{name}_{one}", Table.INPUT, address + size * n, kind, step, order, sentinel)
        for n, one in enumerate(each)
    ]


class PowerAnalyser(RegisterDevice):
    """`rated_w` are the solar panels on the roofs behind it, `base_w` the rest of the street's load at its peak."""

    MODEL = "power_analyser"
    RANK = 3
    LAYOUT = Layout([
        *_row("voltage", "abc", 0, "f32"),
        *_row("current", "abcn", 6, "f32"),
        Field("power", Table.INPUT, 14, "f32"),
        Field("reactive_power", Table.INPUT, 16, "f32"),
        Field("apparent_power", Table.INPUT, 18, "f32"),
        Field("frequency", Table.INPUT, 22, "u16", 0.01),
        Field("power_factor", Table.INPUT, 23, "i16", 0.001, sentinel=0x8000),
        *_row("thd_voltage", "abc", 32, "u16", 0.1, sentinel=0xFFFF),
        *_row("thd_current", "abc", 35, "u16", 0.1, sentinel=0xFFFF),
        *_row("harmonic_3", "abc", 38, "u16", 0.1, sentinel=0xFFFF),
        *_row("harmonic_5", "abc", 41, "u16", 0.1, sentinel=0xFFFF),
        *_row("harmonic_7", "abc", 44, "u16", 0.1, sentinel=0xFFFF),
        Field("demand", Table.INPUT, 50, "i32", order="CDAB"),
        Field("max_demand", Table.INPUT, 52, "i32", order="CDAB"),
        *_row("energy_import", TARIFFS, 60, "u32", order="CDAB"),
        *_row("energy_export", TARIFFS, 68, "u32", order="CDAB"),
        Field("energy_import", Table.INPUT, 76, "u32", order="CDAB"),
        Field("energy_export", Table.INPUT, 78, "u32", order="CDAB"),
        Field("reactive_energy", Table.INPUT, 80, "u32", order="CDAB"),
        Field("tariff", Table.INPUT, 84, "u16"),
        Field("status", Table.INPUT, 85, "u16"),
    ])  # fmt: skip
    KEPT = ("imported", "exported", "reactive_dw_ms", "demand", "max_demand")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.base_w = options.base_w or 2_400.0
        begin = options.begin(int(rng.integers(400_000, 9_000_000)))
        # By tariff, in tenths of a watt times milliseconds: exact sums of the power shown.
        self.imported = dict.fromkeys(TARIFFS, begin // 5 * COUNT_DW_MS)
        self.imported["valley"] = (begin - 3 * (begin // 5)) * COUNT_DW_MS
        self.exported = dict.fromkeys(TARIFFS, 0)
        self.reactive_dw_ms = begin // 3 * COUNT_DW_MS
        self.demand: float | None = None
        self.max_demand = 0.0
        self._tariff = "flat"
        self._power_dw = self._reactive_dw = 0

    def step(self, now: Moment) -> None:
        self._count(round(now.dt * 1000))
        self._tariff = tariff(local_hour(now.seconds))
        watts, lamps = self._phases(now)
        total = sum(watts)
        self._power_dw = round(10.0 * total)
        power_kw = self._power_dw / 10_000.0
        factor = 0.94 - 0.05 * load_share(now.seconds)
        reactive_kvar = reactive(abs(power_kw), factor)
        self._reactive_dw = round(10_000.0 * reactive_kvar)
        if self.demand is None:
            self.demand = total
        self.demand += (total - self.demand) * (1.0 - math.exp(-now.dt / DEMAND_S))
        self.max_demand = max(self.max_demand, self.demand)

        volts = [self.mains.voltage(now.seconds, phase) for phase in range(3)]
        amperes = [current(abs(w), v, factor) for w, v in zip(watts, volts, strict=True)]
        thd = [self._distortion(w, lit) for w, lit in zip(watts, lamps, strict=True)]
        a, b, c = amperes
        # The fundamentals nearly cancel in the neutral; third harmonics add up there.
        thirds = sum(HARMONICS[3] * (t or 0.0) / 100.0 * i for t, i in zip(thd, amperes, strict=True))
        neutral = math.hypot(math.sqrt(max(0.0, a * a + b * b + c * c - a * b - b * c - c * a)), thirds)
        mean = sum(amperes) / 3.0
        skewed = mean > 1.0 and max(abs(each - mean) for each in amperes) > UNBALANCE * mean
        self.values = {
            "current_n": neutral,
            "power": power_kw,
            "reactive_power": reactive_kvar,
            "apparent_power": math.hypot(power_kw, reactive_kvar),
            "frequency": self.mains.frequency(now.seconds),
            "power_factor": math.copysign(factor, total) if abs(total) > STARTING_W else None,
            "demand": round(self.demand),
            "max_demand": round(self.max_demand),
            **{f"energy_import_{name}": _register(self.imported[name]) for name in TARIFFS},
            **{f"energy_export_{name}": _register(self.exported[name]) for name in TARIFFS},
            "energy_import": _register(sum(self.imported.values())),
            "energy_export": _register(sum(self.exported.values())),
            "reactive_energy": _register(self.reactive_dw_ms),
            "tariff": TARIFFS.index(self._tariff) + 1,
            "status": word(min(volts) < DIP_V, skewed, max(amperes) > OVERLOAD_A, total < 0.0),
        }
        for phase, name in enumerate("abc"):
            distortion = thd[phase]
            self.values[f"voltage_{name}"] = self.noisy(volts[phase], 0.05)
            self.values[f"current_{name}"] = amperes[phase]
            self.values[f"thd_voltage_{name}"] = abs(self.noisy(1.4 + 0.02 * amperes[phase], 0.03))
            self.values[f"thd_current_{name}"] = distortion
            for order, share in HARMONICS.items():
                self.values[f"harmonic_{order}_{name}"] = None if distortion is None else share * distortion

    def _count(self, ms: int) -> None:
        """What was shown held until now."""
        into = self.imported if self._power_dw >= 0 else self.exported
        into[self._tariff] += abs(self._power_dw) * ms
        self.reactive_dw_ms += self._reactive_dw * ms

    def _phases(self, now: Moment) -> tuple[list[float], list[float]]:
        """Watts by phase, and how much of them goes to devices rather than to houses."""
        street = self.base_w * load_share(now.seconds)
        sun = self.options.rated_w * min(1.0, now.sky.illuminance / FULL_SUN_LX) / 3.0
        watts = [share * street * (1.0 + 0.01 * self.rng.standard_normal()) - sun for share in (0.35, 0.32, 0.33)]
        ours = [0.0, 0.0, 0.0]
        for device in self.loads:
            ours[device.options.phase] += device.load_w
        return [float(w + o) for w, o in zip(watts, ours, strict=True)], ours

    def _distortion(self, watts: float, ours: float) -> float | None:
        """Percent of the fundamental: drivers and chargers draw their current in pulses."""
        if abs(watts) < STARTING_W:
            return None
        return abs(self.noisy(6.0 + 20.0 * min(1.0, ours / abs(watts)), 0.3))


def _register(dw_ms: int) -> int:
    return dw_ms // COUNT_DW_MS % ROLLOVER
