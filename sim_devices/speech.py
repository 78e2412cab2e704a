"""Devices that speak of themselves: the timer that lets them, for as long as their line lasts."""

import asyncio
from collections.abc import Callable

from sim_devices.clock import Now
from sim_devices.conversation import Conversation, Speaker
from sim_devices.faults import Send


class Speech:
    """Hands what `conversation` says of itself to `send`, at its own pace; one that only answers stays silent."""

    def __init__(self, conversation: Conversation, now: Callable[[], Now], send: Callable[[list[Send]], None]) -> None:
        self._conversation, self._now, self._send = conversation, now, send
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        if isinstance(conversation, Speaker) and conversation.every_s > 0:
            self._speak_at(self._loop.time() + conversation.every_s)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _speak_at(self, moment: float) -> None:
        self._timer = self._loop.call_at(moment, self._speak, moment)

    def _speak(self, moment: float) -> None:
        assert isinstance(self._conversation, Speaker)  # noqa: S101
        self._speak_at(max(moment, self._loop.time() - self._conversation.every_s) + self._conversation.every_s)
        self._send(self._conversation.speak(self._now()))
