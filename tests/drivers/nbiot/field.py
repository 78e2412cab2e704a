"""A simulated module on a pty, its owner, and time that suits a test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.base import LineConfig
from drivers.nbiot.bringup import Patience
from drivers.nbiot.modem import Modem
from drivers.transport.serial_port import SerialPort
from protocols.at.dialects import DIALECTS
from sim_devices.modem.families import FAMILIES
from sim_devices.modem.modem import Modem as SimModem
from sim_devices.modem.network import Network
from sim_devices.modem.port import ModemPort

QUICK = Patience(registration=0.8, look=0.03, probe=0.1, answer=0.2, boot=0.5, steady=0.5, reopen=0.1, guard=0.02)


@dataclass
class Field:
    """`owner.run()` runs; `powered` counts the calls of its power-cycle hook."""

    owner: Modem
    port: ModemPort
    network: Network
    powered: int = 0

    @property
    def sim(self) -> SimModem:
        return self.port.modem

    async def until(self, condition: Callable[[], Any], seconds: float = 8.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what the module has come to tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def modem_field(folder: Path, family: str, *, powers: bool = True, **options: Any) -> AsyncIterator[Field]:
    """`options` are those of Network; with `powers` the power-cycle hook cycles the power."""
    network = Network(**{"registration_s": 0.05} | options)
    port = ModemPort("modem", folder / "modem", FAMILIES[family], network, boot_s=0.03)
    await port.start()

    async def hook() -> None:
        field.powered += 1
        port.modem.power_cycle()

    cycle: Callable[[], Awaitable[None]] | None = hook if powers else None
    stream = SerialPort(LineConfig("nbiot", port.address, baud=115200))
    field = Field(Modem(stream, DIALECTS[family], cycle, QUICK), port, network)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(field.owner.run())
            try:
                yield field
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
    finally:
        await port.close()
