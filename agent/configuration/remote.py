"""Configurations that the server desires: each is taken once, tried as a technician's is, and answered for.

What became of one is on disk before it is told, and stays there until the spool has it: a power cut at any point leaves
the old or the new configuration, and an answer.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.commands import expired
from agent.configuration.store import INTERRUPTED, Asked
from agent.control import Declined
from agent.spool import SpoolRefused
from agent.wording import detail
from protocols.edge.desired import Desired, pack
from protocols.edge.messages import Scalar

if TYPE_CHECKING:
    from agent.configuration.change import Changer
    from agent.supervisor import Agent

log = logging.getLogger(__name__)

MAX_LINES = 16_000  # characters of what a result says
AGAIN_S = 30.0  # until a disk that took no answer is asked once more
INFO, WARNING = 0, 2  # severities of events
FINE = ("on-trial", "applied", "checked")


class Dated(NamedTuple):
    issued: int
    expires: int


class Remote:
    """`run()` works until it is cancelled, one desired configuration after the other; take() gives it the next."""

    def __init__(self, agent: "Agent", changer: "Changer") -> None:
        self._agent = agent
        self._changer = changer
        self._waiting: Desired | None = None
        self._taken = 0  # the highest number that was given to take()
        self._news = asyncio.Event()
        changer.on_settled(self._news.set)

    def take(self, desired: Desired) -> str:
        """Why it is none to act on; "" where it will be, or was before. Its seal and addressee are right."""
        last = max(self._taken, self._changer.record.desired)
        if desired.number < last:
            return f"configuration {desired.number} was desired before {last}"
        if desired.number > last:
            self._taken, self._waiting = desired.number, desired
            self._news.set()
        return ""

    async def run(self) -> None:
        while True:
            self._news.clear()
            told = await self._settle() and await self._tell_text()
            if self._waiting is not None and not self._changer.on_trial:
                desired, self._waiting = self._waiting, None
                await self._act(desired)
                continue
            try:
                async with asyncio.timeout(None if told else AGAIN_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _act(self, desired: Desired) -> None:
        """The outcome is noted before anything is done: for as long as nothing else is, it is that we were cut off."""
        log.info(
            "gateway %s: configuration %d is desired by %s", self._agent.gateway, desired.number, desired.principal
        )
        begun = Asked(desired.number, "refused", INTERRUPTED)
        try:
            await self._changer.note(desired=desired.number, asked=begun)
        except OSError as error:
            self._taken = 0  # to be taken when it comes again
            log.error("gateway %s: not taken, since it cannot be noted: %s", self._agent.gateway, error)
            return
        if (late := self._late(desired)) is not None:
            await self._answer(late)
            return
        if desired.base is not None and desired.base != self._changer.told().hash:
            running = self._changer.told()
            why = f"written for {desired.base.hex()[:12]}, and {running.number} ({running.hash.hex()[:12]}) runs by now"
            await self._answer(Asked(desired.number, "conflict", why))
            return
        try:
            answer = await self._changer.apply(desired.trial_ms / 1000, confirmed=True, desired=desired)
        except Declined as declined:
            if self._changer.record.asked == begun:  # else it was begun, and has been left again
                await self._answer(Asked(desired.number, "refused", str(declined)))
            return
        lines = "\n".join((*answer["problems"], *answer["lines"]))
        if answer["problems"]:
            await self._answer(Asked(desired.number, "refused", answer["problems"][0], lines))
        elif desired.dry:
            await self._answer(Asked(desired.number, "checked", "", lines))
        elif answer["number"] is None:
            await self._answer(Asked(desired.number, "applied", "", lines))
        else:
            data = {"desired": desired.number, "number": answer["number"], "lines": _bounded(lines)}
            await self._put("configuration-result", INFO, {"status": "on-trial", **data})

    def _late(self, desired: Desired) -> Asked | None:
        if desired.expires is None:
            return None
        result = expired(Dated(desired.issued, desired.expires), self._agent.now())
        return result and Asked(desired.number, str(result.status), result.detail)

    async def _answer(self, asked: Asked) -> None:
        """Noted; told as soon as the spool takes it."""
        try:
            await self._changer.note(asked=asked)
        except OSError as error:
            log.error("gateway %s: the outcome is not on disk: %s", self._agent.gateway, error)
            await self._tell(asked)

    async def _settle(self) -> bool:
        """Tells what came of the last one, unless that is told or not decided yet. False where the disk refuses."""
        asked = self._changer.record.asked
        if asked is None or self._changer.on_trial:
            return True
        if not await self._tell(asked):
            return False
        return await self._noted(asked=None)

    async def _tell(self, asked: Asked) -> bool:
        running = self._changer.told()
        data: dict[str, Scalar] = {"desired": asked.number, "status": asked.status, "detail": detail(asked.detail)}
        if asked.lines:
            data["lines"] = _bounded(asked.lines)
        data |= {"number": running.number, "hash": running.hash}
        return await self._put("configuration-result", INFO if asked.status in FINE else WARNING, data)

    async def _tell_text(self) -> bool:
        """The text that runs, once to each spool: who edits it elsewhere begins with it."""
        text, running = self._changer.record.text, self._changer.told()
        digest = hashlib.sha256(text.encode()).hexdigest()
        told = f"{self._agent.incarnation():016x} {running.hash.hex()} {digest}"
        if self._changer.on_trial or told == self._changer.record.told:
            return True
        data: dict[str, Scalar] = {"number": running.number, "hash": running.hash, "text": pack(text)}
        return await self._put("configuration-text", INFO, data) and await self._noted(told=told)

    async def _noted(self, **changes: Any) -> bool:
        try:
            await self._changer.note(**changes)
        except OSError as error:
            log.error("gateway %s: what was told is not noted, and is told again: %s", self._agent.gateway, error)
            return False
        return True

    async def _put(self, kind: str, severity: int, data: Mapping[str, Scalar]) -> bool:
        """Whether it is on disk."""
        agent = self._agent
        try:
            await agent.spool.put(agent.event(kind, agent.gateway, severity, data), urgent=True)
        except SpoolRefused as error:
            log.error("gateway %s: %s is not on disk yet: %s", agent.gateway, kind, error)
            return False
        return True


def _bounded(lines: str) -> str:
    lines = lines.replace("\0", "?").encode("utf-8", "replace").decode()
    return lines if len(lines) <= MAX_LINES else f"{lines[:MAX_LINES]}\n…"
