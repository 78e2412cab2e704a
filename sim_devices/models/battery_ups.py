"""The tunnel's uninterruptible supply: it carries the sensors through a failure of the mains, for a while."""

import math

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options

RATED_W, CAPACITY_WH = 2000.0, 1900.0
EFFICIENCY = 0.92
CHARGE_W = 180.0
EMPTY_V, FULL_V, FLOAT_V = 43.2, 51.5, 54.6  # of 24 lead cells
OUTPUT_V = 220.0
ON_LINE, ON_BATTERY, BYPASS, OFF = range(4)
LOW_PERCENT, WORN = 20.0, 0.6
OUTAGE_S = 60_000.0
TEST_EVERY_S, TEST_S = 6 * 3600.0, 20.0


class BatteryUps(RegisterDevice):
    """`base_w` is what hangs on it. Four times a day it tests its battery; now and then the mains fail for a while."""

    MODEL = "battery_ups"
    LAYOUT = Layout([
        Field("input_voltage", Table.INPUT, 0, "u16", 0.1),
        Field("output_voltage", Table.INPUT, 1, "u16", 0.1),
        Field("output_power", Table.INPUT, 2, "u16"),
        Field("load", Table.INPUT, 3, "u16"),
        Field("battery_voltage", Table.INPUT, 4, "u16", 0.01),
        Field("battery_current", Table.INPUT, 5, "i16", 0.01),
        Field("charge", Table.INPUT, 6, "u16", 0.1),
        Field("runtime", Table.INPUT, 7, "u16", sentinel=0xFFFF),
        Field("battery_temperature", Table.INPUT, 8, "i16", 0.1, sentinel=0x8000),
        Field("transfers", Table.INPUT, 9, "u16"),
        Field("battery_time", Table.INPUT, 10, "u32"),
        Field("status", Table.INPUT, 12, "u16"),
    ])  # fmt: skip
    KEPT = ("charge_wh", "health", "out_s", "transfers", "battery_ms", "warmth")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.base_w = options.base_w or 420.0
        self.health = float(rng.uniform(0.65, 1.0))
        self.charge_wh = CAPACITY_WH * self.health
        self.out_s = 0.0
        self.transfers = int(rng.integers(10, 400))
        self.battery_ms = int(rng.integers(500, 90_000)) * 1000
        self.warmth: float | None = None
        self._test_at = float(rng.uniform(0.0, TEST_EVERY_S))
        self._mode = ON_LINE

    def step(self, now: Moment) -> None:
        capacity = CAPACITY_WH * self.health
        self.out_s = max(0.0, self.out_s - now.dt)
        if self.happens(OUTAGE_S / max(self.options.wear, 1e-3), now.dt):
            self.out_s = float(self.rng.uniform(20.0, 1200.0))
        out = self.out_s > 0.0
        testing = (now.seconds - self._test_at) % TEST_EVERY_S < TEST_S and self.charge_wh > 0.5 * capacity
        mode = ON_LINE
        if out or testing:
            mode = ON_BATTERY if self.charge_wh > 0.0 else OFF
        if mode == ON_BATTERY:
            self.transfers += self._mode != ON_BATTERY
            self.battery_ms += round(now.dt * 1000)
        self._mode = mode
        watts = 0.0 if mode == OFF else self.base_w * (1.0 + 0.02 * float(self.rng.standard_normal()))
        drawn = watts / EFFICIENCY if mode == ON_BATTERY else 0.0
        missing = capacity - self.charge_wh
        into = CHARGE_W * min(1.0, missing / (0.15 * capacity)) if mode == ON_LINE else 0.0
        self.charge_wh = max(0.0, min(capacity, self.charge_wh + (0.9 * into - drawn) * now.dt / 3600.0))
        self.load_w = watts / EFFICIENCY + into if mode == ON_LINE else 0.0
        share = self.charge_wh / capacity
        volts = FLOAT_V - 2.5 * (1.0 - share) if mode == ON_LINE else EMPTY_V + (FULL_V - EMPTY_V) * share
        around = now.sky.temperature if self.compartment is None else self.compartment.temperature
        if self.warmth is None:
            self.warmth = around
        self.warmth += (around + 0.012 * (drawn + into) - self.warmth) * (1.0 - math.exp(-now.dt / 7200.0))
        self.values = {
            "input_voltage": 0.0 if out else self.noisy(self.mains.voltage(now.seconds, self.options.phase), 0.1),
            "output_voltage": 0.0 if mode == OFF else self.noisy(OUTPUT_V, 0.15),
            "output_power": watts,
            "load": 100.0 * watts / RATED_W,
            "battery_voltage": self.noisy(volts, 0.01),
            "battery_current": self.noisy((into - drawn) / volts, 0.01),
            "charge": 100.0 * share,
            "runtime": 60.0 * self.charge_wh / drawn if drawn else None,
            "battery_temperature": self.noisy(self.warmth, 0.05),
            "transfers": self.transfers % 65_536,
            "battery_time": self.battery_ms // 1000 % 2**32,
            "status": mode | word(100.0 * share < LOW_PERCENT, self.health < WORN, watts > RATED_W) << 2,
        }
