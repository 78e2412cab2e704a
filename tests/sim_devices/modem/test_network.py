import pytest

from sim_devices.modem.network import Network, Status


@pytest.mark.parametrize(
    ("network", "searching_s", "expected"),
    [
        (Network(), None, Status.IDLE),
        (Network(registration_s=2.0), 1.9, Status.SEARCHING),
        (Network(registration_s=2.0), 2.0, Status.HOME),
        (Network(registration_s=2.0, roaming=True), 2.0, Status.ROAMING),
        (Network(denied=True), 9.0, Status.DENIED),
        (Network(covered=False, denied=True), 9.0, Status.SEARCHING),
    ],
)
def test_the_network_lets_a_module_in_when_it_covers_it_for_long_enough(
    network: Network, searching_s: float | None, expected: Status
) -> None:
    assert network.status(searching_s) is expected


def test_loss_is_a_share() -> None:
    network = Network(loss=0.25)
    assert 0.2 < sum(network.is_lost() for _ in range(4000)) / 4000 < 0.3
    assert not any(Network().is_lost() for _ in range(100))
