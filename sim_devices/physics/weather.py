"""The weather over the block: seasons, days, fronts, rain that washes the air. One sky for all stations of a seed."""

import math
from typing import NamedTuple

from sim_devices.physics import sun
from sim_devices.physics.noise import Curve

DAY = 86400.0
LOCAL = 8 * 3600.0  # Beijing keeps UTC+8 all year
YEAR_DAYS = 365.2425


class Sky(NamedTuple):
    """At one moment; `rain` is in mm/h, `pressure` in Pa, `wind_direction` in degrees (where it comes from)."""

    elevation: float
    cloud: float
    illuminance: float
    temperature: float
    humidity: float
    wind_speed: float
    wind_direction: float
    pressure: float
    rain: float
    pm2_5: float
    pm10: float
    noise: float


def local_hour(seconds: float) -> float:
    return (seconds + LOCAL) % DAY / 3600.0


def bump(hour: float, centre: float, width: float) -> float:
    """1 at `centre` o'clock, falling off over `width` hours, around midnight too."""
    distance = (hour - centre + 12.0) % 24.0 - 12.0
    return math.exp(-((distance / width) ** 2))


class Weather:
    def __init__(self, seed: int, latitude: float, longitude: float) -> None:
        self._place = (latitude, longitude)

        def curve(name: str, hours: float) -> Curve:
            return Curve(seed, f"weather.{name}", hours * 3600.0)

        self._front = curve("front", 60.0)
        self._cloud = curve("cloud", 5.0)
        self._shower = curve("shower", 0.7)
        self._warm = curve("warm", 3.0)
        self._gust = curve("gust", 0.02)
        self._breeze = curve("breeze", 2.5)
        self._veer = curve("veer", 4.0)
        self._haze = curve("haze", 30.0)
        self._traffic = curve("traffic", 0.05)

    def at(self, seconds: float) -> Sky:
        hour = local_hour(seconds)
        year = (seconds + LOCAL) / DAY % YEAR_DAYS / YEAR_DAYS
        summer = 0.5 - 0.5 * math.cos(2.0 * math.pi * (year - 0.055))  # 0 about 20 January, 1 about 20 July
        # A front is a fall through zero: cloud and rain ride on it, behind it the air is dry, clean and windy.
        front = self._front.at(seconds)
        passing = math.exp(-((front / 0.5) ** 2))
        cloud = max(0.0, min(1.0, self._cloud.share(seconds) - 0.25 + 0.55 * passing))

        elevation = sun.elevation(seconds, *self._place)
        light = sun.illuminance(elevation, cloud)

        # Fair days swing by 11 K between 6 and 15 o'clock, overcast ones by a third of it.
        swing = 5.5 * (1.0 - 0.65 * cloud) * math.cos(2.0 * math.pi * (hour - 14.8) / 24.0)
        temperature = -3.0 + 30.0 * summer + swing + 3.5 * front + 0.6 * self._warm.at(seconds)

        wet = max(0.0, cloud - 0.72) / 0.28
        rain = wet * max(0.0, self._shower.at(seconds) + 0.3) * (0.4 + 9.0 * summer**2)
        humidity = 42.0 + 26.0 * summer - 2.1 * swing + 5.0 * front + 14.0 * cloud + 12.0 * min(1.0, rain)
        humidity = max(9.0, min(99.5, humidity))

        behind = max(0.0, -front) * 1.6
        breeze = max(0.2, 1.7 + 0.9 * self._breeze.at(seconds) + behind + 1.2 * bump(hour, 15.0, 4.0))
        wind_speed = breeze * max(0.0, 1.0 + 0.28 * self._gust.at(seconds))
        direction = (180.0 - 150.0 * math.tanh(behind) + 40.0 * self._veer.at(seconds)) % 360.0
        pressure = 101_000.0 + 1_300.0 * (1.0 - 2.0 * summer) - 750.0 * front - 60.0 * swing / 5.5

        rush = bump(hour, 8.0, 1.6) + 0.9 * bump(hour, 18.3, 2.0)
        calm = math.exp(0.55 * front + 0.45 * self._haze.at(seconds) - 0.16 * (breeze - 2.0) - 0.35 * min(2.0, rain))
        pm2_5 = max(2.0, min(480.0, (26.0 + 16.0 * (1.0 - summer) + 9.0 * rush) * calm))
        dust = 18.0 + 2.4 * wind_speed * (1.0 - min(1.0, rain))
        street = 46.0 + 13.0 * bump(hour, 13.0, 6.5) + 6.0 * rush + 1.8 * self._traffic.at(seconds) + 4.0 * min(1, rain)
        return Sky(elevation, cloud, light, temperature, humidity, wind_speed, direction, pressure, rain, pm2_5,
                   1.25 * pm2_5 + dust, street)  # fmt: skip
