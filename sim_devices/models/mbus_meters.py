"""Meters on an M-Bus: the heat, water and gas that a block is supplied with, and its electricity."""

import numpy as np

from protocols.mbus.codes import Medium
from protocols.mbus.variable import Form
from sim_devices.mbus.device import Place, RecordsDevice
from sim_devices.models.base import Moment, Options
from sim_devices.physics.mains import current, load_share
from sim_devices.physics.weather import LOCAL, bump, local_hour

DAY_S = 86_400
MS_PER_H = 3_600_000
WATER_J_PER_L_K = 4_186
KWH_J = 3_600_000
ML_PER_L = 1_000
ENERGY_DW_MS = 360_000_000  # 0.01 kWh in tenths of a watt times milliseconds
DEAD_S = 60.0  # how long a probe that lost contact shows nothing


class MbusHeatMeter(RecordsDevice):
    """The substation of a block: its supply follows the weather, heat is water times cooling, exactly. The heat at the
    last midnight comes in a second telegram."""

    MODEL = "mbus_heat_meter"
    MEDIUM = Medium.HEAT
    TELEGRAMS = (
        (
            Place("heat", "energy", "Wh", 3, Form.BCD8, counter=True),
            Place("volume", "volume", "m3", -2, Form.BCD8, counter=True),
            Place("power", "power", "W", 2, Form.INT32),
            Place("flow", "volume_flow", "m3/h", -3, Form.BCD6),
            Place("supply", "flow_temperature", "Cel", -2, Form.INT16),
            Place("return", "return_temperature", "Cel", -2, Form.INT16),
            Place("difference", "temperature_difference", "K", -2, Form.INT24),
            Place("hours", "on_time", "h", 0, Form.INT32, counter=True),
        ),
        (Place("settlement", "energy", "Wh", 3, Form.BCD8, counter=True, storage=1),),
    )
    KEPT = ("heat_j", "volume_ml", "work_ms", "settled", "day", "access")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.settled = options.begin(int(rng.integers(100_000, 5_000_000)))
        self.heat_j = self.settled * KWH_J
        self.volume_ml = int(rng.integers(1_000_000, 60_000_000)) * 10 * ML_PER_L
        self.work_ms = int(rng.integers(1_000, 40_000)) * MS_PER_H
        self.day = 0
        self.dead_s = 0.0

    def step(self, now: Moment) -> None:
        need = max(0.08, min(1.0, (18.0 - now.sky.temperature) / 28.0))
        supply = self.noisy(42.0 + 48.0 * need, 0.04)
        returned = supply - (5.0 + 22.0 * need)
        flow = max(0.0, self.noisy(2.0 + 14.0 * need, 0.05))  # m3/h
        millilitres = round(1e6 * flow * now.dt / 3600.0)
        self.volume_ml += millilitres
        self.heat_j += round(millilitres * WATER_J_PER_L_K * (supply - returned) / ML_PER_L)
        self.work_ms += round(now.dt * 1000)
        day = int(now.seconds + LOCAL) // DAY_S
        if self.day and day != self.day:
            self.settled = self.heat_j // KWH_J
        self.day = day
        self.dead_s = max(0.0, self.dead_s - now.dt)
        if self.happens(200_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.dead_s = DEAD_S
        dead = self.dead_s > 0.0
        self.values = {
            "heat": self.heat_j // KWH_J,
            "settlement": self.settled,
            "volume": self.volume_ml // (10 * ML_PER_L),
            "power": flow * 1000.0 * WATER_J_PER_L_K * (supply - returned) / 3600.0,
            "flow": flow,
            "supply": supply,
            "return": None if dead else returned,
            "difference": None if dead else supply - returned,
            "hours": self.work_ms // MS_PER_H,
            "fault": int(dead),
            "battery": 0,
        }


class MbusWaterMeter(RecordsDevice):
    """The water of a park: sprinklers at dawn in dry weather, taps by day."""

    MODEL = "mbus_water_meter"
    MEDIUM = Medium.COLD_WATER
    TELEGRAMS = (
        (
            Place("volume", "volume", "m3", -3, Form.BCD8, counter=True),
            Place("target", "volume", "m3", -3, Form.BCD8, counter=True, storage=1),
            Place("flow", "volume_flow", "m3/h", -3, Form.INT24),
            Place("temperature", "flow_temperature", "Cel", -1, Form.INT16),
        ),
    )
    KEPT = ("volume_ml", "target", "day", "access")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.target = options.begin(int(rng.integers(1_000_000, 60_000_000)))
        self.volume_ml = self.target * ML_PER_L
        self.day = 0

    def step(self, now: Moment) -> None:
        hour = local_hour(now.seconds)
        dry = 1.0 if now.sky.temperature > 12.0 else 0.0
        litres_h = 12.0 + 3_800.0 * dry * bump(hour, 5.2, 0.7) + 160.0 * bump(hour, 10.5, 2.5)
        litres_h *= float(self.rng.lognormal(0.0, 0.15))
        self.volume_ml += round(ML_PER_L * litres_h * now.dt / 3600.0)
        day = int(now.seconds + LOCAL) // DAY_S
        if self.day and day != self.day:
            self.target = self.volume_ml // ML_PER_L
        self.day = day
        self.values = {
            "volume": self.volume_ml // ML_PER_L,
            "target": self.target,
            "flow": litres_h / 1000.0,
            "temperature": self.noisy(11.0 + 0.25 * now.sky.temperature, 0.03),
            "fault": 0,
            "battery": 0,
        }


class MbusGasMeter(RecordsDevice):
    """The gas of a block's kitchens behind a regulator. `volume` is at 101.325 kPa and 20 degrees, `uncorrected` as it
    went through."""

    MODEL = "mbus_gas_meter"
    MEDIUM = Medium.GAS
    TELEGRAMS = (
        (
            Place("volume", "volume", "m3", -2, Form.BCD8, counter=True),
            Place("uncorrected", "volume", "m3", -2, Form.BCD8, counter=True, modifiers=b"\x3a"),
            Place("flow", "volume_flow", "m3/h", -2, Form.INT24),
            Place("pressure", "pressure", "bar", -3, Form.INT16),
            Place("temperature", "flow_temperature", "Cel", -1, Form.INT16),
        ),
    )
    KEPT = ("base_ml", "line_ml", "access")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        counts = options.begin(int(rng.integers(1_000_000, 60_000_000)))
        self.base_ml = counts * 10 * ML_PER_L
        self.line_ml = counts * 9 * ML_PER_L

    def step(self, now: Moment) -> None:
        hour = local_hour(now.seconds)
        flow = 0.4 + 9.0 * bump(hour, 7.0, 0.8) + 15.0 * bump(hour, 11.7, 1.0) + 21.0 * bump(hour, 18.4, 1.3)
        flow *= float(self.rng.lognormal(0.0, 0.2))
        pressure = 1.01325 + self.noisy(0.1 - 0.0008 * flow, 0.0004)  # bar
        temperature = self.noisy(14.0 + 0.3 * now.sky.temperature, 0.05)
        millilitres = 1e6 * flow * now.dt / 3600.0
        self.line_ml += round(millilitres)
        self.base_ml += round(millilitres * pressure / 1.01325 * 293.15 / (273.15 + temperature))
        self.values = {
            "volume": self.base_ml // (10 * ML_PER_L),
            "uncorrected": self.line_ml // (10 * ML_PER_L),
            "flow": flow,
            "pressure": pressure,
            "temperature": temperature,
            "fault": 0,
            "battery": 0,
        }


class MbusElectricityMeter(RecordsDevice):
    """All loads on its circuits by phase, and `base_w` of its own by the hour. The two rates add up to the total."""

    MODEL = "mbus_electricity_meter"
    RANK = 3
    MEDIUM = Medium.ELECTRICITY
    TELEGRAMS = (
        (
            Place("energy", "energy", "Wh", 1, Form.BCD8, counter=True),
            *(Place(f"energy_rate{n}", "energy", "Wh", 1, Form.BCD8, counter=True, tariff=n) for n in (1, 2)),
            Place("power", "power", "W", 0, Form.INT32),
            *(Place(f"voltage_{n}", "voltage", "V", -1, Form.INT16, modifiers=bytes((0x7F, n))) for n in (1, 2, 3)),
            *(Place(f"current_{n}", "current", "A", -3, Form.INT24, modifiers=bytes((0x7F, n))) for n in (1, 2, 3)),
            Place("frequency", "frequency", "Hz", -2, Form.INT16),
        ),
    )
    KEPT = ("rates_dw_ms", "access")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.base_w = options.base_w or 6_000.0
        counts = options.begin(int(rng.integers(3_000_000, 60_000_000)))
        self.rates_dw_ms = [counts * 2 // 3 * ENERGY_DW_MS, (counts - counts * 2 // 3) * ENERGY_DW_MS]
        self.power_dw = 0
        self.night = False

    def step(self, now: Moment) -> None:
        # What was shown held until now.
        self.rates_dw_ms[self.night] += self.power_dw * round(now.dt * 1000)
        self.night = not 7.0 <= local_hour(now.seconds) < 23.0
        block = self.base_w * load_share(now.seconds)
        watts = [share * block * (1.0 + 0.01 * self.rng.standard_normal()) for share in (0.32, 0.35, 0.33)]
        for device in self.loads:
            watts[device.options.phase] += device.load_w
        self.power_dw = round(10.0 * sum(watts))
        self.values = {
            "energy": sum(self.rates_dw_ms) // ENERGY_DW_MS,
            "energy_rate1": self.rates_dw_ms[0] // ENERGY_DW_MS,
            "energy_rate2": self.rates_dw_ms[1] // ENERGY_DW_MS,
            "power": self.power_dw / 10.0,
            "frequency": self.mains.frequency(now.seconds),
            "fault": 0,
        }
        for phase, load in enumerate(watts):
            volts = self.mains.voltage(now.seconds, phase)
            self.values[f"voltage_{phase + 1}"] = self.noisy(volts, 0.08)
            self.values[f"current_{phase + 1}"] = current(load, volts, 0.93)
