"""What the city writes is what the simulator and the gateway read: both readers are asked."""

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent import config as agent_config
from drivers.catalog import ALL as DRIVERS
from fleet_server import config as fleet_config
from sim_devices import config as sim_config
from sim_devices.city import block, configs
from sim_devices.city.parts import MODEM
from sim_devices.city.private import keep_secret, private_folder


def addresses(folder: Path) -> configs.Addresses:
    buses = [bus for gateway in block.gateways() for bus in gateway.buses]
    where = {
        bus.name: str(folder / bus.name) if bus.on_port else f"127.0.0.1:{5020 + at}" for at, bus in enumerate(buses)
    }
    return configs.Addresses(where, "mqtt://127.0.0.1:1883", 8080)


def test_the_simulator_reads_every_device_of_the_block(tmp_path: Path) -> None:
    text = configs.simulation(block.gateways(), addresses(tmp_path), 3, tmp_path / "c", tmp_path / "j.jsonl")
    config = sim_config.load(configs.write(tmp_path / "sim" / "sim.toml", text))
    read = [device.code for bus in config.buses for device in bus.devices]
    buses = [bus for gateway in block.gateways() for bus in gateway.buses]
    assert read == [device.code for bus in buses if bus.kind != MODEM for device in bus.devices]
    assert [modem.name for modem in config.modems] == [bus.name for bus in buses if bus.kind == MODEM]
    assert (config.seed, config.control, config.journal) == (3, tmp_path / "c", tmp_path / "j.jsonl")


def test_each_gateway_reads_its_own_with_all_its_channels(tmp_path: Path) -> None:
    for gateway in block.gateways():
        folder = private_folder(tmp_path / gateway.key)
        keep_secret(folder / "key", 32)
        keep_secret(folder / "password")
        path = configs.write(folder / "agent.toml", configs.agent(gateway, addresses(tmp_path)))
        config = agent_config.load(path, {}, DRIVERS)
        assert config.gateway.code == gateway.code
        assert [d.code for bus in config.buses for d in bus.devices] == [d.code for d in gateway.devices]
        assert [bus.driver for bus in config.buses] == [bus.driver(bus.protocol) for bus in gateway.buses]


def test_the_fleet_server_finds_its_ways_into_the_database(tmp_path: Path) -> None:
    urls = {}
    for role in ("owner", "web", "ingest", "auditor"):
        urls[f"hutong_{role}"] = configs.write(tmp_path / f"{role}.url", f"postgresql://{role}@/hutong\n")
    keep_secret(tmp_path / "password")
    text = configs.fleet(addresses(tmp_path), urls, tmp_path / "password", "hutong-ingest")
    settings = fleet_config.load(configs.write(tmp_path / "fleet.toml", text), {})
    assert settings.database.url("owner") == "postgresql://owner@/hutong"
    assert settings.web.public_url == "http://127.0.0.1:8080"
    assert settings.broker.username == "hutong-ingest"


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(-(2**63), 2**63 - 1), st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False), st.lists(st.integers(0, 9), max_size=3),
), max_size=5))  # fmt: skip
def test_whatever_is_written_reads_back_the_same(entries: dict[str, object]) -> None:
    assert tomllib.loads(configs.table("", entries)) == entries
