"""The models that can be simulated."""

from sim_devices.models.access_point import AccessPoint
from sim_devices.models.base import Device
from sim_devices.models.pole import LampController, SinglePhaseMeter, ThreePhaseMeter
from sim_devices.models.tunnel import Fan, GasHead, SumpPump, TunnelClimate
from sim_devices.models.weather_station import WeatherStation

BUILTIN: dict[str, type[Device]] = {
    "access_point": AccessPoint,
    "fan": Fan,
    "gas_head": GasHead,
    "lamp_controller": LampController,
    "meter_1p": SinglePhaseMeter,
    "meter_3p": ThreePhaseMeter,
    "sump_pump": SumpPump,
    "tunnel_climate": TunnelClimate,
    "weather_station": WeatherStation,
}
