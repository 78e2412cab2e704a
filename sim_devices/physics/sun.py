"""Where the sun stands and how light it is: enough for dusk to fall when it does in Changping, to the minute or so."""

import itertools
import math

JULIAN_UNIX_EPOCH = 2440587.5
JULIAN_2000 = 2451545.0


def elevation(seconds: float, latitude: float, longitude: float) -> float:
    """Degrees above the horizon at Unix time `seconds`, without refraction.

    The low-precision formulas of the Astronomical Almanac (page C5): better than 0.01 degrees from 1950 to 2050.
    """
    days = seconds / 86400.0 + JULIAN_UNIX_EPOCH - JULIAN_2000
    mean_longitude = math.radians((280.460 + 0.9856474 * days) % 360.0)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360.0)
    ecliptic = mean_longitude + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2.0 * anomaly))
    obliquity = math.radians(23.439 - 4e-7 * days)
    right_ascension = math.atan2(math.cos(obliquity) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(obliquity) * math.sin(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + longitude) % 360.0)  # Greenwich mean, plus longitude
    hour_angle = sidereal - right_ascension
    phi = math.radians(latitude)
    sine = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour_angle)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


# Illuminance under a clear sky below the horizon, in lux: the ends of civil, nautical and astronomical twilight.
_TWILIGHT = ((-18.0, 0.001), (-12.0, 0.008), (-6.0, 3.4), (-3.0, 60.0), (0.0, 700.0))


def illuminance(degrees: float, cloud: float) -> float:
    """Lux on level ground for the sun's elevation and a cloud cover of 0..1 (IES RP-21: clear, partly, overcast)."""
    covered = math.pow(cloud, 2.5)  # thin cloud costs little light, the last eighth most of it
    if degrees < 0.0:
        degrees = max(degrees, _TWILIGHT[0][0])  # deeper down the stars are all there is
        for (low, dark), (high, light) in itertools.pairwise(_TWILIGHT):
            if degrees <= high:
                share = (degrees - low) / (high - low)
                clear = dark * math.pow(light / dark, share)
                return clear * (1.0 - 0.7 * covered)
    sine = math.sin(math.radians(degrees))
    # At the horizon the formula for the sky alone gives 800 lx: joined there to twilight.
    clear = 700.0 + 15_500.0 * math.sqrt(sine) + 127_500.0 * math.exp(-0.21 / max(sine, 1e-3)) * sine
    overcast = 210.0 + 21_000.0 * sine
    return clear + (overcast - clear) * covered
