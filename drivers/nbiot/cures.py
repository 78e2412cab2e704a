"""The steps of recovery, carried out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from drivers.nbiot.bringup import Patience, plain
from drivers.nbiot.channel import CommandChannel, Overdue
from drivers.nbiot.recovery import Step
from drivers.nbiot.trouble import News, Restarted, Trouble
from protocols.at.command import Command
from protocols.at.dialect import Dialect
from protocols.errors import RemoteProtocolError

log = logging.getLogger(__name__)


class Cures:
    """Without `power_cycle` the last step is only logged, for someone must go there."""

    def __init__(
        self,
        channel: CommandChannel,
        dialect: Dialect,
        news: News,
        patience: Patience,
        power_cycle: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._channel, self._dialect, self._news, self._patience = channel, dialect, news, patience
        self._power_cycle = power_cycle

    async def carry_out(self, step: Step) -> None:
        """What follows is bringing the module up: Step.PROBE is nothing but that. Raises LineDown."""
        match step:
            case Step.PROBE:
                pass
            case Step.ESCAPE:
                await self._channel.escape(self._patience.guard)
                await self._channel.open()
            case Step.RADIO:
                for on in ("0", "1"):
                    with suppress(RemoteProtocolError, Overdue):
                        await self._channel.run(plain(Command(f"AT+CFUN={on}", patience_s=15.0)))
            case Step.REBOOT:
                await self._channel.settle()
                self._channel.write_blindly(self._dialect.reboot)
                await self._await_boot()
            case Step.POWER:
                await self._cycle_power()

    async def _cycle_power(self) -> None:
        if self._power_cycle is None:
            log.error("modem %s: only its power would help, and no power_cycle is configured", self._channel.where)
            return
        self._news.forget()
        try:
            await self._power_cycle()
        except OSError as error:
            log.error("modem %s: power_cycle: %s", self._channel.where, error)
        await self._await_boot()

    async def _await_boot(self) -> None:
        """Until it says that it began anew, or for as long as that may take; what comes behind is settled for later."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience.boot
        with suppress(Restarted):
            while (rest := until - loop.time()) > 0:
                with suppress(Trouble):
                    await self._news.rest(rest)
