"""A compact weather station on a pole's head."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table
from sim_devices.models.base import Device, Moment, Options

FLUSH_EVERY_S, FLUSH_S = 3600.0, 20.0  # the particle counter blows itself clean once an hour and says nothing then


class WeatherSensors(Device):
    """What it measures, whatever way it tells."""

    KEPT = ("rain_mm", "warmth")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.rain_mm = float(rng.integers(0, 600))
        self.warmth: float | None = None  # the shield's, which lags behind the air's
        self._bias = float(rng.normal(0.0, 0.2))
        self._flush_at = float(rng.uniform(0.0, FLUSH_EVERY_S))
        self.load_w = 3.5

    def step(self, now: Moment) -> None:
        sky = now.sky
        air = sky.temperature + self._bias + sky.illuminance * 8e-6
        if self.warmth is None:
            self.warmth = air
        self.warmth += (air - self.warmth) * min(1.0, now.dt / 120.0)
        self.rain_mm += sky.rain * now.dt / 3600.0
        flushing = (now.seconds - self._flush_at) % FLUSH_EVERY_S < FLUSH_S
        gust = max(0.0, sky.wind_speed * (1.0 + 0.12 * float(self.rng.standard_normal())))
        # A vane swings the more the less wind holds it.
        swing = 25.0 / (0.5 + sky.wind_speed)
        self.values = {
            "temperature": self.noisy(self.warmth, 0.05, 8.0),
            "humidity": min(100.0, self.noisy(sky.humidity, 0.3)),
            "illuminance": max(0.0, self.noisy(sky.illuminance, 0.004 * sky.illuminance)),
            "wind_speed": gust,
            "wind_direction": int(self.noisy(sky.wind_direction, swing)) % 360,
            "pressure": self.noisy(sky.pressure, 4.0),
            "rain": int(10.0 * self.rain_mm),
            "pm2_5": None if flushing else max(0.0, self.noisy(sky.pm2_5, 0.8, 60.0)),
            "pm10": None if flushing else max(0.0, self.noisy(sky.pm10, 1.5, 90.0)),
            "noise": self.noisy(sky.noise, 1.1) + (14.0 if self.rng.random() < 0.01 else 0.0),  # a horn
        }


class WeatherStation(WeatherSensors, RegisterDevice):
    MODEL = "weather_station"
    LAYOUT = Layout([
        Field("temperature", Table.INPUT, 0, "i16", 0.1, sentinel=0x8000),
        Field("humidity", Table.INPUT, 1, "u16", 0.1, sentinel=0xFFFF),
        Field("illuminance", Table.INPUT, 2, "u32", order="CDAB"),
        Field("wind_speed", Table.INPUT, 4, "u16", 0.1),
        Field("wind_direction", Table.INPUT, 5, "u16"),
        Field("pressure", Table.INPUT, 6, "u32"),
        Field("rain", Table.INPUT, 8, "u32"),
        Field("pm2_5", Table.INPUT, 10, "u16", sentinel=0xFFFF),
        Field("pm10", Table.INPUT, 11, "u16", sentinel=0xFFFF),
        Field("noise", Table.INPUT, 12, "u16", 0.1),
    ])  # fmt: skip
