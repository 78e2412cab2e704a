"""The models that can be simulated, by the name that a configuration gives them."""

from sim_devices.models.access_point import AccessPoint
from sim_devices.models.base import Device
from sim_devices.models.battery_ups import BatteryUps
from sim_devices.models.dali_gateway import DaliGateway
from sim_devices.models.door_controller import DoorController
from sim_devices.models.electricity_meters import SinglePhaseDataMeter, ThreePhaseDataMeter
from sim_devices.models.ev_charger import EvCharger
from sim_devices.models.fire_panel import FirePanel
from sim_devices.models.household_meters import GasMeter, HeatMeter, WaterMeter
from sim_devices.models.line_devices import Anemometer, DistanceGauge, LineWeatherStation
from sim_devices.models.liquid_level import LiquidLevel
from sim_devices.models.manhole_monitor import ManholeMonitor
from sim_devices.models.mbus_meters import MbusElectricityMeter, MbusGasMeter, MbusHeatMeter, MbusWaterMeter
from sim_devices.models.noise_meter import NoiseMeter
from sim_devices.models.parking_sensor import ParkingSensor
from sim_devices.models.pole import LampController, SinglePhaseMeter, ThreePhaseMeter
from sim_devices.models.power_analyser import PowerAnalyser
from sim_devices.models.senml_sensors import ClimateSensor, ManholeCover
from sim_devices.models.single_gas import SingleGas
from sim_devices.models.soil_moisture import SoilMoisture
from sim_devices.models.tunnel import Fan, GasHead, SumpPump, TunnelClimate
from sim_devices.models.vehicle_detector import VehicleDetector
from sim_devices.models.weather_station import WeatherStation

BUILTIN: dict[str, type[Device]] = {
    "access_point": AccessPoint,
    "anemometer": Anemometer,
    "battery_ups": BatteryUps,
    "climate_sensor": ClimateSensor,
    "dali_gateway": DaliGateway,
    "distance_gauge": DistanceGauge,
    "dlt645_meter_1p": SinglePhaseDataMeter,
    "dlt645_meter_3p": ThreePhaseDataMeter,
    "door_controller": DoorController,
    "ev_charger": EvCharger,
    "fan": Fan,
    "fire_panel": FirePanel,
    "gas_head": GasHead,
    "gas_meter": GasMeter,
    "heat_meter": HeatMeter,
    "lamp_controller": LampController,
    "line_weather_station": LineWeatherStation,
    "liquid_level": LiquidLevel,
    "manhole_cover": ManholeCover,
    "manhole_monitor": ManholeMonitor,
    "mbus_electricity_meter": MbusElectricityMeter,
    "mbus_gas_meter": MbusGasMeter,
    "mbus_heat_meter": MbusHeatMeter,
    "mbus_water_meter": MbusWaterMeter,
    "meter_1p": SinglePhaseMeter,
    "meter_3p": ThreePhaseMeter,
    "noise_meter": NoiseMeter,
    "parking_sensor": ParkingSensor,
    "power_analyser": PowerAnalyser,
    "single_gas": SingleGas,
    "soil_moisture": SoilMoisture,
    "sump_pump": SumpPump,
    "tunnel_climate": TunnelClimate,
    "vehicle_detector": VehicleDetector,
    "water_meter": WaterMeter,
    "weather_station": WeatherStation,
}
