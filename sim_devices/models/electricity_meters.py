"""Meters of DL/T 645: one for a single phase, one for three phases and four rates."""

import numpy as np

from protocols.bcd import Format
from sim_devices.dlt645.device import DataDevice, Datum
from sim_devices.models.base import Moment, Options
from sim_devices.physics.mains import current, load_share, reactive
from sim_devices.physics.weather import local_hour

ENERGY = Format.parse("XXXXXX.XX")
VOLTS = Format.parse("XXX.X")
AMPERES = Format.parse("XXX.XXX", signed=True)
KILOWATTS = Format.parse("XX.XXXX", signed=True)
FACTOR = Format.parse("X.XXX", signed=True)
HERTZ = Format.parse("XX.XX")
COUNT_DW_MS = 360_000_000  # 0.01 kWh in tenths of a watt times milliseconds
SHARP, PEAK, FLAT, VALLEY = 1, 2, 3, 4


def rate(hour: float) -> int:
    """The rate of a local hour, as a city may set it."""
    if hour >= 23.0 or hour < 7.0:
        return VALLEY
    if 19.0 <= hour < 21.0:
        return SHARP
    return PEAK if 10.0 <= hour < 15.0 or 18.0 <= hour < 19.0 or 21.0 <= hour < 22.0 else FLAT


class SinglePhaseDataMeter(DataDevice):
    """Counts exactly what it shows: `energy` is the sum of `power` over the steps, in whole tenths of a watt."""

    MODEL = "dlt645_meter_1p"
    RANK = 2
    DATA = (
        Datum("energy", 0x00010000, ENERGY, counter=True),
        Datum("energy_reverse", 0x00020000, ENERGY, counter=True),
        Datum("voltage", 0x02010100, VOLTS),
        Datum("current", 0x02020100, AMPERES),
        Datum("power", 0x02030000, KILOWATTS),
        Datum("power_factor", 0x02060000, FACTOR),
        Datum("frequency", 0x02800002, HERTZ),
    )
    KEPT = ("energy_dw_ms",)

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.base_w = options.base_w or float(rng.uniform(60.0, 180.0))
        self.energy_dw_ms = options.begin(int(rng.integers(40_000, 400_000))) * COUNT_DW_MS
        self.power_dw = 0

    def step(self, now: Moment) -> None:
        # What was shown held until now.
        self.energy_dw_ms += self.power_dw * round(now.dt * 1000)
        base = self.base_w * (1.0 + 0.05 * self.rng.standard_normal())
        watts = sum(device.load_w for device in self.loads) + base
        self.load_w = base
        self.power_dw = round(10.0 * watts)
        factor = min(0.99, 0.7 + 0.27 * watts / (watts + 40.0))
        volts = self.mains.voltage(now.seconds, self.options.phase)
        self.values = {
            "energy": self.energy_dw_ms // COUNT_DW_MS,
            "energy_reverse": 0,
            "voltage": self.noisy(volts, 0.12),
            "current": current(watts, volts, factor),
            "power": self.power_dw / 10_000.0,
            "power_factor": self.noisy(factor, 0.002),
            "frequency": self.mains.frequency(now.seconds),
        }


class ThreePhaseDataMeter(DataDevice):
    """All loads on its circuits by phase, and what the rest of the street draws. The rates add up to the total."""

    MODEL = "dlt645_meter_3p"
    RANK = 3
    DATA = (
        Datum("energy_import", 0x00010000, ENERGY, counter=True),
        *(Datum(f"energy_rate_{n}", 0x00010000 | n << 8, ENERGY, counter=True) for n in range(1, 5)),
        Datum("energy_export", 0x00020000, ENERGY, counter=True),
        Datum("reactive_1", 0x00030000, ENERGY, counter=True),
        Datum("reactive_2", 0x00040000, ENERGY, counter=True),
        *(Datum(f"voltage_{name}", 0x02010000 | n << 8, VOLTS) for n, name in enumerate("abc", 1)),
        *(Datum(f"current_{name}", 0x02020000 | n << 8, AMPERES) for n, name in enumerate("abc", 1)),
        Datum("power", 0x02030000, KILOWATTS),
        *(Datum(f"power_{name}", 0x02030000 | n << 8, KILOWATTS) for n, name in enumerate("abc", 1)),
        Datum("reactive_power", 0x02040000, KILOWATTS),
        Datum("power_factor", 0x02060000, FACTOR),
        *(Datum(f"power_factor_{name}", 0x02060000 | n << 8, FACTOR) for n, name in enumerate("abc", 1)),
        Datum("frequency", 0x02800002, HERTZ),
    )
    BLOCKS = {  # noqa: RUF012
        0x0001FF00: tuple(0x00010000 | n << 8 for n in range(5)),
        0x0201FF00: (0x02010100, 0x02010200, 0x02010300),
        0x0202FF00: (0x02020100, 0x02020200, 0x02020300),
        0x0203FF00: tuple(0x02030000 | n << 8 for n in range(4)),
        0x0206FF00: tuple(0x02060000 | n << 8 for n in range(4)),
    }
    KEPT = ("rates_dw_ms", "reactive_dw_ms")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.base_w = options.base_w or 2_400.0
        counts = options.begin(int(rng.integers(3_000_000, 60_000_000)))
        parts = [counts // 10, counts * 3 // 10, counts * 4 // 10]
        self.rates_dw_ms = [part * COUNT_DW_MS for part in (*parts, counts - sum(parts))]
        self.reactive_dw_ms = counts // 4 * COUNT_DW_MS
        self.power_dw = self.reactive_dw = 0
        self.rate = FLAT

    def step(self, now: Moment) -> None:
        milliseconds = round(now.dt * 1000)
        self.rates_dw_ms[self.rate - 1] += self.power_dw * milliseconds
        self.reactive_dw_ms += self.reactive_dw * milliseconds
        self.rate = rate(local_hour(now.seconds))
        factor = 0.93 - 0.05 * load_share(now.seconds)
        street = self.base_w * load_share(now.seconds)
        watts = [share * street * (1.0 + 0.01 * self.rng.standard_normal()) for share in (0.36, 0.31, 0.33)]
        for device in self.loads:
            watts[device.options.phase] += device.load_w
        tenths = [round(10.0 * each) for each in watts]
        self.power_dw = sum(tenths)
        self.reactive_dw = round(reactive(self.power_dw, factor))
        self.values = {
            "energy_import": sum(self.rates_dw_ms) // COUNT_DW_MS,
            **{f"energy_rate_{n}": each // COUNT_DW_MS for n, each in enumerate(self.rates_dw_ms, 1)},
            "energy_export": 0,
            "reactive_1": self.reactive_dw_ms // COUNT_DW_MS,
            "reactive_2": 0,
            "power": self.power_dw / 10_000.0,
            "reactive_power": self.reactive_dw / 10_000.0,
            "power_factor": self.noisy(factor, 0.001),
            "frequency": self.mains.frequency(now.seconds),
        }
        for phase, name in enumerate("abc"):
            volts = self.mains.voltage(now.seconds, phase)
            self.values[f"voltage_{name}"] = self.noisy(volts, 0.06)
            self.values[f"current_{name}"] = current(watts[phase], volts, factor)
            self.values[f"power_{name}"] = tenths[phase] / 10_000.0
            self.values[f"power_factor_{name}"] = self.noisy(factor, 0.002)
