"""The estate behind the street, and what in the block speaks of itself: meters, a station that streams, sensors that
push. Its serial numbers are 3000 and above."""

from collections.abc import Callable
from typing import Any

from sim_devices.city.parts import POLE, SUBSTATION, Bus, Device, component_code, device_code, place


def estate() -> tuple[Bus, ...]:
    """The meters of the estate behind the street: an M-Bus in its substation, and a pair of wires in its stairwell on
    which electricity and household meters speak each their own protocol."""
    room, stairs = place(-40.0, 80.0), place(-20.0, 85.0)
    mount = component_code(SUBSTATION, 1)

    def meter(serial: int, name: str, model: str, unit: int | str, spot: tuple[float, float], **more: Any) -> Device:
        return Device(device_code(3000 + serial), f"Huilongguan estate {name}", model, unit, 10.0, spot, mount, **more)

    on_mbus = (
        meter(1, "heat", "mbus_heat_meter", 1, room),
        meter(2, "water", "mbus_water_meter", 2, room),
        meter(3, "gas", "mbus_gas_meter", "20260003", room),
        meter(4, "substation electricity", "mbus_electricity_meter", 4, room),
    )
    on_stairs = (
        # The lift's meter and the stairwell's roll over within the hour or so.
        meter(11, "lift electricity", "dlt645_meter_3p", "110114000011", stairs,
              options={"circuit": "estate", "counter": 99_999_990}),
        meter(12, "hall electricity", "dlt645_meter_1p", "110114000012", stairs, options={"circuit": "estate/hall"}),
        meter(13, "stairwell water", "water_meter", "11011400000013", stairs,
              options={"counter": 99_999_990}, protocol="cjt188"),
        meter(14, "stairwell gas", "gas_meter", "11011400000014", stairs, protocol="cjt188"),
        meter(15, "flat heat", "heat_meter", "11011400000015", stairs, protocol="cjt188"),
    )  # fmt: skip
    return (
        Bus("estate-mbus", "serial-over-tcp", on_mbus, protocol="mbus", timeout_s=2.0),
        Bus("estate-stairs", "pty", on_stairs, baud=2400, protocol="dlt645", timeout_s=1.0),
    )


def air(pole_place: Callable[[int], tuple[float, float]]) -> tuple[Bus, ...]:
    """What speaks of itself: a station that streams lines, and sensors that push SenML."""
    roof = place(-40.0, 95.0)
    station = Device(device_code(3021), "Roof weather station", "weather_station", "0", 2.0, roof,
                     component_code(SUBSTATION, 1), simulated="line_weather_station")  # fmt: skip
    pushing = tuple(
        Device(device_code(100 * pole + 8), f"{what} {pole}", model, f"urn:dev:mac:0024befffe80{pole:02x}f1", 60.0,
               pole_place(pole), component_code(POLE, pole))
        for pole, what, model in ((3, "Climate sensor", "climate_sensor"), (9, "Climate sensor", "climate_sensor"),
                                  (5, "Wireless manhole cover", "manhole_cover"))
    )  # fmt: skip
    return (
        Bus("roof-station", "serial-over-tcp", (station,), protocol="lines"),
        Bus("street-air", "push", pushing, protocol="coap", options={"plain": "loopback"}),
    )
