"""A module as a line with one device on it: itself."""

import asyncio
from decimal import Decimal

from drivers.base import LineDown, Model, NotSent, Reading, Span, Unreachable
from drivers.nbiot.link import pack
from drivers.nbiot.modem import Modem
from drivers.nbiot.relay import Relay

OPENING_S = 8.0  # within what the owner of a line allows


class ModemLine:
    """A drivers.base.Line, and an Active one: the module serves others as well, so closing it leaves that alone."""

    def __init__(self, modem: Modem, relay: Relay | None = None) -> None:
        self.modem = modem
        self._relay = relay

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.modem.run())
            if self._relay is not None:
                tasks.create_task(self._relay.run())

    async def open(self) -> None:
        """Once the module answers. Raises LineDown with what became of it."""
        try:
            async with asyncio.timeout(OPENING_S):
                await self.modem.answering()
        except TimeoutError:
            raise LineDown(f"modem {self.modem.where}: {self.modem.fault}") from None

    async def close(self) -> None:
        """Nothing is held."""

    async def read(self, unit: int, span: Span, timeout: float) -> bytes:  # noqa: ARG002 - there is one of each
        modem = self.modem
        try:
            async with asyncio.timeout(timeout):
                registration = await modem.ask(modem.dialect.registration())
                signal = await modem.ask(modem.dialect.signal())
                figures = await modem.ask(modem.dialect.figures())
        except TimeoutError:
            raise Unreachable(f"modem {modem.where}: busy for longer than {timeout:g} s") from None
        return pack(figures, signal, registration, modem.recoveries)

    async def write(self, unit: int, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:  # noqa: ARG002
        raise NotSent(f"{model.name}.{model.channels[channel].name}: a link's figures cannot be written")
