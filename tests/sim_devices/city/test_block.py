import math

from drivers.catalog import ALL
from protocols import citycode
from sim_devices.city import block
from sim_devices.city.parts import CENTRE, METRES_PER_DEGREE
from sim_devices.models.catalog import BUILTIN

STREET = ("power_analyser", "dali_gateway", "vehicle_detector", "noise_meter", "parking_sensor", "ev_charger",
          "soil_moisture", "manhole_monitor")  # fmt: skip
TUNNEL = ("fire_panel", "battery_ups", "door_controller", "single_gas", "liquid_level")


def test_there_are_two_gateways_twelve_poles_and_four_compartments() -> None:
    street, tunnel = block.gateways()
    models = [device.model for device in street.devices]
    assert (models.count("lamp_controller"), models.count("meter_1p")) == (12, 12)
    assert (models.count("weather_station"), models.count("meter_3p")) == (3, 1)
    below = [device.model for device in tunnel.devices]
    for model in ("gas_head", "tunnel_climate", "sump_pump", "fan", "access_point"):
        assert below.count(model) == 4
    assert set(STREET) <= set(models)
    assert set(TUNNEL) <= set(below)


def test_every_driver_family_but_for_its_other_transport_is_in_the_block() -> None:
    used = set()
    for bus in (bus for gateway in block.gateways() for bus in gateway.buses):
        used |= {bus.driver(bus.protocol)} | {bus.driver(device.protocol) for device in bus.devices if device.protocol}
    assert {name.removesuffix("-over-tcp") for name in used} == {name.removesuffix("-over-tcp") for name in ALL}


def test_every_code_is_valid_of_the_right_kind_and_stands_once() -> None:
    codes = [gateway.code for gateway in block.gateways()]
    for gateway in block.gateways():
        codes += [device.code for device in gateway.devices]
        for device in gateway.devices:
            assert citycode.parse(device.mount).kind is citycode.Kind.COMPONENT
            assert (device.simulated or device.model) in BUILTIN or device.model == "nb_modem"
        for bus in gateway.buses:
            assert len({device.unit for device in bus.devices}) == len(bus.devices)
    assert len(set(codes)) == len(codes)
    for code in codes:
        parsed = citycode.parse(code)
        assert (parsed.kind, parsed.division, parsed.component_class) == (citycode.Kind.DEVICE, "110114", "9001")
    assert codes[0] == "D1101149001000077A"


def test_everything_stands_within_some_hundred_metres_of_the_centre_and_poles_apart() -> None:
    def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
        scale = math.cos(math.radians(CENTRE[0]))
        return math.hypot(a[0] - b[0], (a[1] - b[1]) * scale) * METRES_PER_DEGREE

    for gateway in block.gateways():
        assert all(metres(device.position, CENTRE) < 300 for device in gateway.devices)
    poles = [block.pole_place(pole) for pole in range(1, block.POLES + 1)]
    gaps = [metres(a, b) for at, a in enumerate(poles) for b in poles[at + 1 :]]
    assert 30 < min(gaps) < 45
