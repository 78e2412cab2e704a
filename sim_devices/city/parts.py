"""What a block is made of: gateways with buses with devices, each with a code and a place."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from protocols import citycode
from sim_devices.city.filters import FILTERS

DIVISION = "110114011"  # Huilongguan sub-district
COUNTY = DIVISION[:6]
CENTRE = (40.0707, 116.3364)
METRES_PER_DEGREE = 111_320.0

MODEM = "modem"
MODBUS = {"tcp": "modbus-tcp", "rtu-over-tcp": "modbus-rtu-over-tcp", "pty": "modbus-rtu"}

# Component classes (GB/T 30428.2); 21 and above are a place's own.
POLE, COVER, SEWER, FEEDER_BOX, FOOTBRIDGE, TREE = "0117", "0107", "0102", "0116", "0205", "0402"
COMPARTMENT, SUBSTATION = "2101", "2102"


@dataclass(frozen=True)
class Device:
    """`options` are the simulator's: circuit, phase, section, wear and so on. `protocol` is another than its bus's;
    `simulated` is what the simulator calls the model where its name is another."""

    code: str
    name: str
    model: str
    unit: int | str
    period_s: float
    position: tuple[float, float]
    mount: str
    options: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = ""
    simulated: str = ""

    @property
    def filters(self) -> Mapping[str, Mapping[str, Any]]:
        return FILTERS.get(self.simulated or self.model, {})


@dataclass(frozen=True)
class Bus:
    """`kind` and `protocol` as the simulator says them; a modem is its gateway's own, with a network behind it.

    `baud` is 0 but for a pty; `parity` is then the gateway's, and `options` what its driver alone needs to know.
    """

    name: str
    kind: str
    devices: tuple[Device, ...]
    baud: int = 0
    protocol: str = "modbus"
    parity: str = ""
    timeout_s: float = 0.5
    options: Mapping[str, Any] = field(default_factory=dict)

    def driver(self, protocol: str) -> str:
        """The gateway's driver family for devices of that protocol on this bus."""
        if protocol == "modbus":
            return MODBUS[self.kind]
        return f"{protocol}-over-tcp" if self.kind == "serial-over-tcp" else protocol

    @property
    def on_port(self) -> bool:
        """Whether it is reached at the path of a serial port."""
        return self.kind in ("pty", MODEM)


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
