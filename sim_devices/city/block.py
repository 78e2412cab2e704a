"""What stands in the demonstration block: a street in Huilongguan, Changping, and the utility tunnel beneath it.

Everything is said once here; configs.py writes it down for the simulator and for the gateways. Serial numbers are for
people: pole 3's lamp is ...000301, compartment 2's fan ...002204.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from protocols import citycode

DIVISION = "110114011"  # Huilongguan sub-district
COUNTY = DIVISION[:6]
CENTRE = (40.0707, 116.3364)
POLES = 12
COMPARTMENTS = 4
SPACING_M = 35.0
COMPARTMENT_M = 105.0
STATIONS = (3, 9)  # the poles that carry a weather station
COVERS = (1, 4, 7, 10)  # those with a telecom manhole at their foot
LINE_POLES = 6  # the first ones hang on the serial line, the rest behind a Modbus TCP concentrator
METRES_PER_DEGREE = 111_320.0

# Component classes (GB/T 30428.2); 21 and above are a place's own.
POLE, COVER, FEEDER_BOX, COMPARTMENT = "0117", "0107", "0116", "2101"

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
}


@dataclass(frozen=True)
class Device:
    """`options` are the simulator's: circuit, phase, section, wear and so on."""

    code: str
    name: str
    model: str
    unit: int
    period_s: float
    position: tuple[float, float]
    mount: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def filters(self) -> Mapping[str, Mapping[str, Any]]:
        return FILTERS.get(self.model, {})


@dataclass(frozen=True)
class Bus:
    """`kind` as the simulator says it: tcp, rtu-over-tcp or pty. `baud` is 0 but for a pty."""

    name: str
    kind: str
    devices: tuple[Device, ...]
    baud: int = 0


@dataclass(frozen=True)
class Gateway:
    key: str
    code: str
    name: str
    buses: tuple[Bus, ...]

    @property
    def devices(self) -> Iterator[Device]:
        return (device for bus in self.buses for device in bus.devices)


def device_code(serial: int) -> str:
    return citycode.mint(citycode.Kind.DEVICE, f"{COUNTY}9001{serial:06d}").text


def component_code(kind: str, serial: int) -> str:
    return citycode.mint(citycode.Kind.COMPONENT, f"{COUNTY}{kind}{serial:06d}").text


def place(east_m: float, north_m: float) -> tuple[float, float]:
    """Degrees of a spot measured from the block's centre."""
    latitude = CENTRE[0] + north_m / METRES_PER_DEGREE
    longitude = CENTRE[1] + east_m / (METRES_PER_DEGREE * math.cos(math.radians(CENTRE[0])))
    return round(latitude, 6), round(longitude, 6)


def pole_place(pole: int) -> tuple[float, float]:
    """Poles stand in turn north and south of the carriageway."""
    return place((pole - (POLES + 1) / 2) * SPACING_M, 9.0 if pole % 2 else -9.0)


def _lamp(pole: int, unit: int, period_s: float) -> Device:
    # Pole 8's driver is near its end: its lamp fails now and then.
    supply = {"circuit": f"street/pole-{pole:02d}", "phase": pole % 3, "wear": 40.0 if pole == 8 else 0.5}
    return Device(device_code(100 * pole + 1), f"Pole {pole} lamp", "lamp_controller", unit, period_s,
                  pole_place(pole), component_code(POLE, pole), supply)  # fmt: skip


def _meter(pole: int, unit: int, period_s: float) -> Device:
    supply = {"circuit": f"street/pole-{pole:02d}", "phase": pole % 3}
    return Device(device_code(100 * pole + 2), f"Pole {pole} meter", "meter_1p", unit, period_s,
                  pole_place(pole), component_code(POLE, pole), supply)  # fmt: skip


def _station(pole: int, unit: int) -> Device:
    return Device(device_code(100 * pole + 3), f"Pole {pole} weather", "weather_station", unit, 2.0, pole_place(pole),
                  component_code(POLE, pole), {"circuit": f"street/pole-{pole:02d}", "phase": pole % 3})  # fmt: skip


def _cover(pole: int, unit: int) -> Device:
    latitude, longitude = pole_place(pole)
    return Device(device_code(100 * pole + 4), f"Manhole cover {pole}", "access_point", unit, 2.0,
                  (round(latitude + 2e-5, 6), longitude), component_code(COVER, pole))  # fmt: skip


def street() -> Gateway:
    line, ring = range(1, LINE_POLES + 1), range(LINE_POLES + 1, POLES + 1)
    on_line = [
        make(pole, 2 * pole - at, 2.0)
        for pole in line
        for at, make in ((1, _lamp), (0, _meter))
    ]  # fmt: skip
    on_ring = [
        make(pole, 2 * (pole - LINE_POLES) - at, 1.0)
        for pole in ring
        for at, make in ((1, _lamp), (0, _meter))
    ]  # fmt: skip
    on_ring += [_station(pole, 21 + at) for at, pole in enumerate(STATIONS)]
    on_ring += [_cover(pole, 31 + at) for at, pole in enumerate(COVERS)]
    meter_place, box = place(-15.0, 14.0), component_code(FEEDER_BOX, 1)
    feeder = Device(
        device_code(91), "Street feeder meter", "meter_3p", 41, 1.0, meter_place, box, {"circuit": "street"}
    )
    on_ring.append(feeder)
    buses = (Bus("pole-line", "pty", tuple(on_line), baud=19200), Bus("pole-ring", "tcp", tuple(on_ring)))
    return Gateway("gw1", device_code(77), "Huilongguan West Street poles", buses)


def _in_compartment(number: int) -> tuple[list[Device], list[Device]]:
    """The sensors and the drives of one compartment."""
    middle = (number - (COMPARTMENTS + 1) / 2) * COMPARTMENT_M
    mount = component_code(COMPARTMENT, number)
    section = {"section": f"tunnel/{number}", "circuit": f"tunnel/{number}"}

    def device(at: int, what: str, model: str, unit: int, period_s: float, east_m: float) -> Device:
        return Device(device_code(2000 + 100 * number + at), f"Compartment {number} {what}", model, unit, period_s,
                      place(middle + east_m, -2.0), mount, section)  # fmt: skip

    first = 10 * number
    sensors = [
        device(1, "gas", "gas_head", first + 1, 1.0, 0.0),
        device(2, "climate", "tunnel_climate", first + 2, 1.0, 6.0),
        device(5, "door", "access_point", first + 3, 1.0, -45.0),
    ]
    drives = [
        device(3, "sump pump", "sump_pump", first + 1, 1.0, 30.0),
        device(4, "fan", "fan", first + 2, 1.0, 48.0),
    ]
    return sensors, drives


def tunnel() -> Gateway:
    compartments = [_in_compartment(number) for number in range(1, COMPARTMENTS + 1)]
    sensors = tuple(device for found, _ in compartments for device in found)
    drives = tuple(device for _, found in compartments for device in found)
    buses = (Bus("tunnel-sensors", "tcp", sensors), Bus("tunnel-drives", "rtu-over-tcp", drives))
    return Gateway("gw2", device_code(78), "Huilongguan West Street tunnel", buses)


def gateways() -> tuple[Gateway, ...]:
    return street(), tunnel()
