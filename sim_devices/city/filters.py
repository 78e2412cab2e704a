"""How each gateway of the demonstration block filters what its devices measure: by model and channel."""

from typing import Any

FILTERS: dict[str, dict[str, dict[str, Any]]] = {
    "lamp_controller": {
        "lamp_power": {"despike": True, "window_s": 60.0},
        "case_temperature": {"despike": True, "deadband": 0.3},
        "lamp_current": {"despike": True},
    },
    "meter_1p": {"voltage": {"despike": True, "window_s": 60.0}, "frequency": {"deadband": 0.02}},
    "weather_station": {
        "temperature": {"despike": True, "lowpass_hz": 0.05},
        "pm2_5": {"despike": True, "lowpass_hz": 0.02},
        "pm10": {"despike": True},
        "wind_speed": {"window_s": 60.0},
        "illuminance": {"decimate": 5},
    },
    "gas_head": {"ch4": {"despike": True, "lowpass_hz": 0.1}, "co": {"despike": True}},
    "tunnel_climate": {"water_level": {"despike": True, "lowpass_hz": 0.1}, "temperature": {"deadband": 0.2}},
    "sump_pump": {"motor_current": {"despike": True}},
    "fan": {"vibration": {"despike": True, "window_s": 30.0}},
    "access_point": {"battery": {"deadband": 0.01}, "tilt": {"deadband": 1.0}},
    "power_analyser": {
        **{f"voltage_{phase}": {"deadband": 0.5} for phase in "abc"},
        **{f"thd_current_{phase}": {"deadband": 0.5} for phase in "abc"},
        **{f"harmonic_{order}_{phase}": {"deadband": 0.5} for order in (3, 5, 7) for phase in "abc"},
        "frequency": {"deadband": 0.02},
    },
    "parking_sensor": {f"field_{axis}": {"deadband": 2.0} for axis in "xyz"} | {"battery": {"deadband": 0.01}},
    "manhole_monitor": {"tilt": {"deadband": 1.0}, "battery": {"deadband": 0.01}},
    "noise_meter": {"level": {"window_s": 60.0}},
    "liquid_level": {"level": {"despike": True}, "distance": {"deadband": 5.0}},
    "single_gas": {"ch4": {"lowpass_hz": 0.1}},
}
