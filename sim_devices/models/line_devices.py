"""Devices that speak in lines: a weather station and an anemometer that stream, a gauge that answers."""

import numpy as np

from protocols.lines.nmea import write_sentence
from sim_devices.models.base import Moment, Options, Unit
from sim_devices.models.weather_station import WeatherSensors
from sim_devices.text.device import TextDevice


class LineWeatherStation(WeatherSensors, TextDevice):
    """The same weather, as one line a second in the form of Vaisala's composite message."""

    MODEL = "line_weather_station"
    EVERY_S = 1.0

    def line(self, unit: Unit) -> bytes:
        shown = {name: float(value or 0) for name, value in self.values.items()}
        return (
            f"{unit}R0,Dm={shown['wind_direction']:03.0f}D,Sm={shown['wind_speed']:.1f}M,"
            f"Ta={shown['temperature']:.1f}C,Ua={shown['humidity']:.1f}P,Pa={shown['pressure'] / 100:.1f}H,"
            f"Rc={self.rain_mm:.2f}M"
        ).encode()


class Anemometer(TextDevice):
    """NMEA 0183, MWV, in metres a second; now and then it is blind for a second and says so."""

    MODEL = "anemometer"
    EVERY_S = 1.0

    def step(self, now: Moment) -> None:
        sky = now.sky
        blind = self.happens(600.0, now.dt)
        gust = max(0.0, sky.wind_speed * (1.0 + 0.1 * float(self.rng.standard_normal())))
        self.values = {
            "wind_direction": None if blind else round(self.noisy(sky.wind_direction, 8.0), 1) % 360.0,
            "wind_speed": None if blind else round(gust, 2),
            "status": int(blind),
        }

    def line(self, unit: Unit) -> bytes:
        direction, speed = self.values["wind_direction"], self.values["wind_speed"]
        fields = ",R,,M,V" if direction is None or speed is None else f"{direction:05.1f},R,{speed:.2f},M,A"
        # Another unit is another kind of sentence: NMEA has no addresses.
        kind = "MWV" if unit in (1, "1") else "MWD"
        return write_sentence(f"WI{kind},{fields}".encode())

    def spoiled(self, unit: Unit) -> bytes:
        whole = self.line(unit)
        return whole[:-1] + (b"0" if whole[-1:] != b"0" else b"1")


class DistanceGauge(TextDevice):
    """Ultrasound over a drain: rain brings the water nearer, foam costs it its echo now and then."""

    MODEL = "distance_gauge"
    KEPT = ("level_m",)

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.level_m = float(rng.uniform(0.1, 0.4))
        self._mounted_m = 3.8

    def step(self, now: Moment) -> None:
        self.level_m = min(3.0, self.level_m + now.sky.rain * now.dt / 3600.0 * 0.05)
        self.level_m = max(0.05, self.level_m - self.level_m * now.dt / 7200.0)
        echo = self.rng.random() > 0.01
        self.values = {
            "distance": round(self.noisy(self._mounted_m - self.level_m, 0.002), 3) if echo else None,
            "temperature": round(self.noisy(now.sky.temperature, 0.1), 1),
        }

    def line(self, unit: Unit) -> bytes:
        distance = self.values["distance"]
        shown = "-----" if distance is None else f"{distance:.3f}"
        return f"{unit}={shown}m,{self.values['temperature']:.1f}C".encode()

    def hears(self, question: bytes, unit: Unit) -> bool:
        return question == f"?{unit}".encode()
