"""What stands in the demonstration block: a street in Huilongguan, Changping, and the utility tunnel beneath it.

Everything is said once here; configs.py writes it down for the simulator and for the gateways. Serial numbers are for
people: pole 3's lamp is ...000301, compartment 2's fan ...002204.
"""

from typing import Any

from sim_devices.city import estate
from sim_devices.city.parts import (
    COMPARTMENT,
    COVER,
    FEEDER_BOX,
    FOOTBRIDGE,
    MODEM,
    POLE,
    SEWER,
    TREE,
    Bus,
    Device,
    Gateway,
    component_code,
    device_code,
    place,
)

POLES = 12
COMPARTMENTS = 4
SPACING_M = 35.0
COMPARTMENT_M = 105.0
STATIONS = (3, 9)  # the poles that carry a weather station
COVERS = (1, 4, 7, 10)  # those with a telecom manhole at their foot
SHAFTS = (2, 8)  # those beside a sewer's shaft
SPACES = 6  # of the parking row between poles 5 and 7
CHARGERS = (6, 7)  # the poles with a charging post beside them
TREES = (5, 11)  # the poles with a tree pit beside them
LINE_POLES = 6  # the first ones hang on the serial line, the rest behind a Modbus TCP concentrator


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


def _shaft(pole: int, unit: int) -> Device:
    latitude, longitude = pole_place(pole)
    return Device(device_code(100 * pole + 5), f"Sewer shaft {pole}", "manhole_monitor", unit, 2.0,
                  (round(latitude - 3e-5, 6), longitude), component_code(SEWER, pole))  # fmt: skip


def _kerb() -> tuple[Device, ...]:
    """The line along the kerb: the parking row, the charging posts and what watches traffic and trees."""
    middle = component_code(POLE, 6)
    spaces = [
        Device(device_code(600 + 10 + space), f"Parking space {space}", "parking_sensor", space, 2.0,
               place(-20.0 + 6.0 * space, 7.0), middle)
        for space in range(1, SPACES + 1)
    ]  # fmt: skip
    chargers = [
        Device(device_code(100 * pole + 6), f"Charging post {pole}", "ev_charger", 10 + at, 2.0, pole_place(pole),
               component_code(POLE, pole), {"circuit": "street/chargers", "phase": at % 3})
        for at, pole in enumerate(CHARGERS, 1)
    ]  # fmt: skip
    trees = [
        Device(device_code(100 * pole + 7), f"Tree pit {pole}", "soil_moisture", 20 + at, 5.0, pole_place(pole),
               component_code(TREE, pole))
        for at, pole in enumerate(TREES, 1)
    ]  # fmt: skip
    supply = {"circuit": "street/kerb"}
    watch = [
        Device(device_code(698), "Vehicle detector", "vehicle_detector", 31, 2.0, pole_place(6), middle, supply),
        Device(device_code(699), "Noise meter", "noise_meter", 32, 2.0, pole_place(6), middle, supply),
    ]
    return (*spaces, *chargers, *trees, *watch)


def _modem() -> Bus:
    module = Device(device_code(94), "Street NB-IoT modem", "nb_modem", 1, 10.0, place(-15.0, 14.0),
                    component_code(FEEDER_BOX, 1))  # fmt: skip
    return Bus("street-modem", MODEM, (module,), protocol="nbiot", timeout_s=2.0, options={"dialect": "bc660k"})


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
    on_ring += [_shaft(pole, 51 + at) for at, pole in enumerate(SHAFTS)]
    box_place, box = place(-15.0, 14.0), component_code(FEEDER_BOX, 1)
    # Both stand at the feeder's head. The analyser is about to roll over, as it does once in some years.
    feeder: dict[str, Any] = {"circuit": "street"}
    roofs = feeder | {"rated_w": 3000.0, "counter": 99_999_900}
    on_ring += [
        Device(device_code(91), "Street feeder meter", "meter_3p", 41, 1.0, box_place, box, feeder),
        Device(device_code(92), "Street power analyser", "power_analyser", 42, 1.0, box_place, box, roofs),
        Device(device_code(93), "Footbridge lights", "dali_gateway", 43, 1.0, place(60.0, 0.0),
               component_code(FOOTBRIDGE, 1), {"circuit": "street/footbridge", "phase": 2}),
    ]  # fmt: skip
    buses = (
        Bus("pole-line", "pty", tuple(on_line), baud=19200),
        Bus("pole-ring", "tcp", tuple(on_ring)),
        Bus("kerb-line", "pty", _kerb(), baud=9600, parity="E"),
        *estate.estate(),
        *estate.air(pole_place),
        _modem(),
    )
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
        device(6, "laser", "single_gas", first + 4, 1.0, 20.0),
    ]
    if number == 1:
        sensors.append(device(7, "sump gauge", "liquid_level", first + 5, 1.0, 31.0))
    drives = [
        device(3, "sump pump", "sump_pump", first + 1, 1.0, 30.0),
        device(4, "fan", "fan", first + 2, 1.0, 48.0),
    ]
    return sensors, drives


def _plant() -> list[Device]:
    """What the tunnel has once, in the room at its entry."""
    entry = place(-(COMPARTMENTS / 2) * COMPARTMENT_M, 4.0)
    room = component_code(COMPARTMENT, 1)
    return [
        Device(device_code(2091), "Tunnel fire panel", "fire_panel", 91, 1.0, entry, room, {"circuit": "tunnel"}),
        Device(device_code(2092), "Tunnel UPS", "battery_ups", 92, 1.0, entry, room, {"circuit": "tunnel/ups"}),
        Device(device_code(2093), "Tunnel entry", "door_controller", 93, 1.0, entry, room, {"circuit": "tunnel/entry"}),
    ]


def tunnel() -> Gateway:
    compartments = [_in_compartment(number) for number in range(1, COMPARTMENTS + 1)]
    sensors = (*(device for found, _ in compartments for device in found), *_plant())
    drives = tuple(device for _, found in compartments for device in found)
    buses = (Bus("tunnel-sensors", "tcp", sensors), Bus("tunnel-drives", "rtu-over-tcp", drives))
    return Gateway("gw2", device_code(78), "Huilongguan West Street tunnel", buses)


def gateways() -> tuple[Gateway, ...]:
    return street(), tunnel()
