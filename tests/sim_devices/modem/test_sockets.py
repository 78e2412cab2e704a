import pytest

from sim_devices.modem.sockets import reachable


@pytest.mark.parametrize("host", ["fleet.example", "119.23.26.195", "::1", ""])
def test_the_simulated_network_reaches_this_machine_alone(host: str) -> None:
    assert reachable(host) == "127.0.0.1"


def test_other_addresses_of_loopback_are_themselves() -> None:
    assert reachable("127.0.0.9") == "127.0.0.9"
