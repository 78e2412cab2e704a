"""From a port in any state to a module that is set up."""

import logging
from dataclasses import dataclass

from drivers.base import LineDown
from drivers.nbiot.channel import CommandChannel, Overdue
from drivers.nbiot.recovery import Cause
from drivers.nbiot.trouble import News, Trouble
from protocols.at.command import Command, CommandRefused, Procedure, lines_of
from protocols.at.dialect import Dialect

log = logging.getLogger(__name__)

GREETINGS = 3


@dataclass(frozen=True)
class Patience:
    """Seconds. A module may be minutes in finding its network; what else it takes its commands say."""

    registration: float = 300.0
    look: float = 2.0  # between two looks at the registration while it searches
    probe: float = 30.0  # between two looks while all is well
    answer: float = 1.0  # to AT
    boot: float = 15.0  # until it answers again
    steady: float = 60.0  # in the network for this long, with nothing failed: it works
    reopen: float = 2.0
    guard: float = 1.1  # of silence on either side of +++


class Bringup:
    def __init__(self, channel: CommandChannel, dialect: Dialect, news: News, patience: Patience) -> None:
        self._channel, self._dialect, self._news, self._patience = channel, dialect, news, patience

    async def run(self) -> None:
        """Raises LineDown, Restarted, Trouble, or Overdue."""
        await self._meet()
        first, *rest = self._dialect.setup()
        await self._must(first)
        self._channel.expect_echo()
        for command in rest:
            await self._must(command)
        for command in self._dialect.wishes():
            await self.may(plain(command))
        await self.may(self._dialect.power_save(None))  # asleep it would hear nothing of what is sent to it

    async def greet(self) -> None:
        """A module that works answers AT at once, whatever its radio does. Raises Overdue."""
        await self._channel.run(plain(Command("AT", patience_s=self._patience.answer)))

    async def may(self, procedure: Procedure[None]) -> None:
        """What the module may refuse."""
        try:
            await self._channel.run(procedure)
        except CommandRefused as error:
            self._news.raise_if_interrupted()
            log.debug("modem %s: %s", self._channel.where, error)

    async def _must(self, command: Command) -> None:
        try:
            await self._channel.run(plain(command))
        except CommandRefused as error:
            self._news.raise_if_interrupted()
            raise Trouble(Cause.REFUSES, str(error)) from None

    async def _meet(self) -> None:
        for attempt in range(1, GREETINGS + 1):
            await self._channel.settle()
            if isinstance(self._news.trouble, LineDown):
                self._news.raise_if_interrupted()
            self._news.forget()  # of before: what it said while it began anew, say
            try:
                await self.greet()
            except (Overdue, CommandRefused) as error:
                if attempt == GREETINGS:
                    raise Trouble(Cause.SILENT, str(error)) from None
            else:
                return


def plain(command: Command) -> Procedure[None]:
    lines_of((yield command))
