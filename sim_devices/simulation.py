"""A configured world on its lines, running: the one place where simulated devices, time and sockets come together."""

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sim_devices.clock import Clock, Now
from sim_devices.coap.pusher import Pusher, Sensors
from sim_devices.config import BusConfig, Config, DeviceConfig
from sim_devices.faults import Faults
from sim_devices.journal import Journal
from sim_devices.servers import PtyServer, Server, TcpServer
from sim_devices.shared import gather
from sim_devices.world import World

log = logging.getLogger(__name__)

TICK_S = 0.5  # idle devices step too, so that a request never has a long way to catch up
SAVE_S = 2.0


@dataclass(frozen=True)
class Placed:
    """A device and where it is reached."""

    config: DeviceConfig
    server: Server


class Simulation:
    """`async with Simulation(config) as simulation: await simulation.run()`; it serves from entering to leaving."""

    def __init__(self, config: Config) -> None:
        self.config = config
        kept = _read_state(config.state)
        start = None if config.start is None else int(config.start.timestamp() * 1000)
        clock = Clock(start, config.speed)
        if kept is not None and int(kept["now_ms"]) > clock.now().sim_ms:
            # Simulated time was ahead of the wall clock; counters may not fall, so it goes on from there.
            clock = Clock(int(kept["now_ms"]), config.speed)
        self.clock = clock
        self.faults = Faults(config.seed)
        self.journal = None if config.journal is None else Journal(config.journal)
        self.world = World(config.seed, clock.now().sim_ms, *config.position)
        self.servers: list[Server] = []
        self.placed: dict[str, Placed] = {}
        for bus in config.buses:
            self._add_bus(bus)
        self.modems = {modem.name: modem.port() for modem in config.modems}
        self.servers += self.modems.values()
        if kept is not None:
            self.world.restore(kept)
        self.world.begin()
        self.world.advance(clock.now().sim_ms)

    def _add_bus(self, bus: BusConfig) -> None:
        units = {
            device.unit: self.world.add(device.code, device.model, device.options) for device in bus.devices
        }  # fmt: skip
        record = None if self.journal is None else self.journal.record
        slaves = gather(units, self.faults, self.world.advance, record)
        server: Server
        if bus.kind == "pty":
            assert bus.link is not None  # noqa: S101 - the configuration was checked
            server = PtyServer(bus.name, bus.link, bus.baud, slaves, self.now)
        elif isinstance(slaves, Sensors):
            server = Pusher(bus.name, *bus.to, slaves, self.now)
        else:
            server = TcpServer(bus.name, *bus.listen, slaves, self.now, kind=bus.kind)
        self.servers.append(server)
        for device in bus.devices:
            self.placed[device.code] = Placed(device, server)
            for fault in device.faults:
                self.faults.add(device.code, fault)

    def now(self) -> Now:
        return self.clock.now()

    async def __aenter__(self) -> Self:
        if self.config.ports_file is not None:
            self.config.ports_file.unlink(missing_ok=True)
        for server in self.servers:
            try:
                await server.start()
            except OSError as error:
                await self._close()
                raise OSError(f"bus {server.name} on {server.address}: {error.strerror or error}") from error
            log.info("bus %s: %d devices on %s", server.name, len(server.slaves.units), server.address)
        if self.config.ports_file is not None:
            addresses = {server.name: server.address for server in self.servers}
            _replace(self.config.ports_file, json.dumps(addresses, indent=2) + "\n")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        for server in self.servers:
            await server.close()
        self.save()
        if self.journal is not None:
            self.journal.close()

    async def run(self) -> None:
        """Steps the world until cancelled."""
        loop = asyncio.get_running_loop()
        saved = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            self.world.advance(self.now().sim_ms)
            if loop.time() - saved >= SAVE_S:
                saved = loop.time()
                self.save()

    def save(self) -> None:
        if self.config.state is not None:
            _replace(self.config.state, json.dumps(self.world.snapshot()))


def _read_state(path: Path | None) -> dict[str, Any] | None:
    """What an earlier run left; a file that is no snapshot is reported and left out of account."""
    if path is None or not path.is_file():
        return None
    with contextlib.suppress(ValueError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and {"now_ms", "devices", "compartments"} <= kept.keys():
            return kept
    log.warning("%s is no snapshot of a simulation: beginning afresh", path)
    return None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
