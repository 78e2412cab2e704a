"""Keeps programs running: one that ends is started again, one that keeps ending ever later."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim_devices.city.program import Process, Program, StartFailed, tail

log = logging.getLogger(__name__)

SHORT_LIFE_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
POLL_S = 0.1
READY_POLL_S = 0.03
TOO_OFTEN = 3  # starts within a program's patience before the first is given up


@dataclass
class Kept:
    """A program and its present process; `again_at` is monotonic time while it waits to be started again."""

    program: Program
    process: Process
    began: float
    starts: int = 1
    pause: float = FIRST_PAUSE_S
    again_at: float | None = None


class Keeper:
    """`say` is told of every end, `note` is called whenever a process id has changed."""

    def __init__(self, say: Callable[[str], None], note: Callable[[], None]) -> None:
        self._say, self._note = say, note
        self.kept: dict[str, Kept] = {}
        self.stopping = asyncio.Event()

    def start(self, program: Program) -> None:
        self.kept[program.name] = Kept(program, Process(program), time.monotonic())
        self._note()

    async def watch(self) -> None:
        """Looks after all programs until `stopping` is set."""
        while not self.stopping.is_set():
            for kept in list(self.kept.values()):
                self.look_after(kept, time.monotonic())
            try:
                await asyncio.wait_for(self.stopping.wait(), POLL_S)
            except TimeoutError:
                continue

    def look_after(self, kept: Kept, now: float) -> None:
        if kept.again_at is not None:
            if now < kept.again_at:
                return
            kept.process, kept.began, kept.again_at = Process(kept.program), now, None
            kept.starts += 1
            self._note()
        elif (code := kept.process.poll()) is not None:
            kept.pause = FIRST_PAUSE_S if now - kept.began > SHORT_LIFE_S else min(2 * kept.pause, LONGEST_PAUSE_S)
            kept.again_at = now + kept.pause
            name, where = kept.program.name, kept.program.log
            self._say(f"  ! {name} ended ({ending(code)}), starts again in {kept.pause:g} s; its log: {where}")

    async def ready(self, name: str) -> None:
        """Waits until a program is ready. Raises StartFailed when it is not in time, or keeps ending."""
        kept = self.kept[name]
        if not await self.becomes_ready(name, kept.program.patience_s):
            raise StartFailed(f"{name} does not come up\n{tail(kept.program.log)}")

    async def becomes_ready(self, name: str, patience_s: float) -> bool:
        """Whether it is ready before that time is over, or it has ended too often."""
        kept, deadline = self.kept[name], time.monotonic() + patience_s
        while time.monotonic() < deadline and kept.starts <= TOO_OFTEN:
            if kept.process.is_ready():
                return True
            if self.stopping.is_set():
                raise StartFailed("stopped before everything was up")
            await asyncio.sleep(READY_POLL_S)
        return False

    async def go_down(self, stages: Iterable[Iterable[str]]) -> None:
        """Stops the programs stage by stage, those of a stage together."""
        self.stopping.set()
        for stage in stages:
            running = [self.kept[name].process for name in stage if name in self.kept]
            for process in running:
                process.ask_to_stop()
            for process in running:
                await asyncio.to_thread(process.stop)


def ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
