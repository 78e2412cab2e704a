"""One broker for all tests of the uplink; a test that stops it leaves it to the next to start it again."""

from collections.abc import Iterator

import pytest

from tests.agent.uplink.peers import City


@pytest.fixture(scope="session")
def one_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    broker = City(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture
def broker(one_broker: City) -> City:
    if one_broker.running is None:
        one_broker.start()
    return one_broker
