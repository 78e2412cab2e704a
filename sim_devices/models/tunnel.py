"""What watches and works in a utility tunnel's compartment: gas head, climate, sump pump, fan."""

import math

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table
from sim_devices.models.base import Moment, Options

F32_MAX_BITS = 0x7F7FFFFF


class GasHead(RegisterDevice):
    """Four gases. While it calibrates itself it shows the largest float; a head that lost a sensor shows NaN."""

    MODEL = "gas_head"
    RANK = 2
    LAYOUT = Layout([
        *(
            Field(name, Table.HOLDING, 2 * n, "f32", order="CDAB", sentinel=F32_MAX_BITS)
            for n, name in enumerate(("ch4", "o2", "h2s", "co"))
        ),
        Field("status", Table.HOLDING, 8, "u16"),
    ])  # fmt: skip
    CALIBRATE_EVERY_S, CALIBRATE_S = 6 * 3600.0, 60.0
    LOW_LEL, HIGH_LEL, LOW_O2, HIGH_H2S, HIGH_CO = 20.0, 50.0, 19.5, 10.0, 24.0

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self._calibrate_at = float(rng.uniform(0.0, self.CALIBRATE_EVERY_S))
        self._faulty_s = 0.0
        self.load_w = 4.0

    def step(self, now: Moment) -> None:
        air = self.here
        calibrating = (now.seconds - self._calibrate_at) % self.CALIBRATE_EVERY_S < self.CALIBRATE_S
        self._faulty_s = max(0.0, self._faulty_s - now.dt)
        if self.happens(30_000.0 / max(self.options.wear, 1e-3), now.dt):
            self._faulty_s = float(self.rng.uniform(20.0, 240.0))
        low = air.ch4 >= self.LOW_LEL or air.o2 < self.LOW_O2 or air.h2s >= self.HIGH_H2S or air.co >= self.HIGH_CO
        status = int(low) | int(air.ch4 >= self.HIGH_LEL) << 1 | int(self._faulty_s > 0) << 2 | int(calibrating) << 3
        self.values = {
            "ch4": None if calibrating else max(0.0, self.noisy(air.ch4, 0.08, 9.0)),
            "o2": None if calibrating else self.noisy(air.o2, 0.03),
            "h2s": math.nan if self._faulty_s else None if calibrating else max(0.0, self.noisy(air.h2s, 0.05)),
            "co": None if calibrating else max(0.0, self.noisy(air.co, 0.15, 20.0)),
            "status": status,
        }


class TunnelClimate(RegisterDevice):
    MODEL = "tunnel_climate"
    RANK = 2
    LAYOUT = Layout([
        Field("temperature", Table.INPUT, 0, "i16", 0.1),
        Field("humidity", Table.INPUT, 1, "u16", 0.1),
        Field("smoke", Table.INPUT, 2, "u16", 0.01),
        Field("water_level", Table.INPUT, 3, "i16", sentinel=0x7FFF),
    ])  # fmt: skip

    def step(self, now: Moment) -> None:
        air = self.here
        splash = 2.0 if air.pumping else 0.6
        drip = 0.3 if now.sky.rain > 2.0 else 0.0  # what comes through the joints wets the sensor
        self.values = {
            "temperature": self.noisy(air.temperature, 0.05),
            "humidity": min(100.0, self.noisy(air.humidity + drip, 0.25)),
            "smoke": max(0.0, self.noisy(air.smoke, 0.004)),
            # The ultrasonic gauge loses its echo in foam now and then.
            "water_level": None if self.rng.random() < 1e-3 else self.noisy(air.water_mm, splash, 180.0),
        }


class SumpPump(RegisterDevice):
    """Starts and stops itself between two levels; a written `start` holds until a level is crossed, or the sump dry."""

    MODEL = "sump_pump"
    LAYOUT = Layout(
        [
            Field("running", Table.DISCRETE, 0),
            Field("fault", Table.DISCRETE, 1),
            Field("level_high", Table.DISCRETE, 2),
            Field("motor_current", Table.INPUT, 0, "u16", 0.01),
            Field("run_hours", Table.INPUT, 1, "u32", order="CDAB"),
            Field("start", Table.COIL, 0),
        ],
        writable=("start",),
    )
    KEPT = ("start", "high", "run_ms", "fault_s")
    START_MM, STOP_MM, DRY_MM, ALARM_MM = 600.0, 150.0, 60.0, 720.0
    LITRES_S = 2.6
    AMPERES = 4.8

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.start = False
        self.high = False  # the two-level switch
        self.run_ms = int(rng.integers(100_000, 900_000)) * 3_600
        self.fault_s = 0.0
        self._ran = False

    def step(self, now: Moment) -> None:
        water = self.here.water_mm
        high = water > self.START_MM or (self.high and water > self.STOP_MM)
        if high != self.high:
            self.high = self.start = high
        if water < self.DRY_MM:
            self.start = False
        self.fault_s = max(0.0, self.fault_s - now.dt)
        if self.start and self.happens(60_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.fault_s = float(self.rng.uniform(120.0, 900.0))
        running = self.start and not self.fault_s
        if running:
            self.run_ms += round(now.dt * 1000)
        amperes = 0.0
        if running:
            inrush = 4.5 if not self._ran else 1.0
            amperes = max(0.0, self.noisy(self.AMPERES * inrush, 0.06, 2.5))
        self._ran = running
        self.here.pumping = self.LITRES_S if running else 0.0
        self.load_w = 880.0 if running else 0.0
        self.values = {
            "running": running,
            "fault": self.fault_s > 0.0,
            "level_high": water > self.ALARM_MM,
            "motor_current": amperes,
            "run_hours": self.run_ms // 36_000,
            "start": self.start,
        }


class Fan(RegisterDevice):
    """Airs the compartment ten minutes every two hours, and when gas or want of oxygen asks for it; a written `start`
    holds until that next changes."""

    MODEL = "fan"
    LAYOUT = Layout(
        [
            Field("running", Table.DISCRETE, 0),
            Field("fault", Table.DISCRETE, 1),
            Field("speed", Table.INPUT, 0, "u16"),
            Field("vibration", Table.INPUT, 1, "f32"),
            Field("motor_temperature", Table.INPUT, 3, "i16", 0.1),
            Field("speed_setpoint", Table.HOLDING, 0, "u16", limits=(0, 100)),
            Field("start", Table.COIL, 0),
        ],
        writable=("speed_setpoint", "start"),
    )
    KEPT = ("start", "wanted", "speed_setpoint", "rpm", "motor", "fault_s")
    FULL_RPM = 1450.0
    AIR_EVERY_S, AIR_S = 7200.0, 600.0
    START_LEL, STOP_LEL, START_O2 = 12.0, 3.0, 19.8

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.start = False
        self.wanted = False
        self.speed_setpoint = 80
        self.rpm = 0.0
        self.motor: float | None = None
        self.fault_s = 0.0
        self._air_at = float(rng.uniform(0.0, self.AIR_EVERY_S))
        self._unbalance = float(rng.uniform(0.8, 1.6)) + options.wear

    def step(self, now: Moment) -> None:
        air = self.here
        foul = air.ch4 > (self.STOP_LEL if self.wanted else self.START_LEL) or air.o2 < self.START_O2
        wanted = foul or (now.seconds - self._air_at) % self.AIR_EVERY_S < self.AIR_S
        if wanted != self.wanted:
            self.wanted = self.start = wanted
        self.fault_s = max(0.0, self.fault_s - now.dt)
        if self.start and self.happens(80_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.fault_s = float(self.rng.uniform(60.0, 400.0))
        driven = self.start and not self.fault_s
        target = self.FULL_RPM * self.speed_setpoint / 100.0 if driven else 0.0
        self.rpm += (target - self.rpm) * (1.0 - math.exp(-now.dt / (5.0 if driven else 14.0)))
        share = self.rpm / self.FULL_RPM
        if self.motor is None:
            self.motor = air.temperature
        self.motor += (air.temperature + 42.0 * share**2 - self.motor) * (1.0 - math.exp(-now.dt / 700.0))
        air.airflow = share
        self.load_w = round(1500.0 * share**3, 1)
        # Passing a third of full speed the frame resonates.
        shake = self._unbalance * (2.1 * share**2 + 1.3 * math.exp(-(((share - 0.34) / 0.05) ** 2)))
        self.values = {
            "running": self.rpm > 30.0,
            "fault": self.fault_s > 0.0,
            "speed": max(0.0, self.noisy(self.rpm, 2.0)) if self.rpm > 5.0 else 0.0,
            "vibration": abs(self.noisy(0.08 + shake, 0.03 + 0.05 * shake, 6.0)),
            "motor_temperature": self.noisy(self.motor, 0.1),
            "speed_setpoint": self.speed_setpoint,
            "start": self.start,
        }
