"""What the gateway knows of one outsider's driver while it runs: its children, its failures, whether it is disabled.

A driver that was disabled stays so over restarts of the gateway, until its code or the configuration is another.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from drivers.base import DeviceError
from drivers.outside import sources
from drivers.outside.conduct import Conduct
from drivers.outside.installed import Installed
from drivers.outside.process import Child

log = logging.getLogger(__name__)

POLL_S = 0.25  # how often saved code is looked for, where it is; a save is over when two looks are equal
END_S = 2.0
FAILED, DISABLED, ENABLED = "driver-failed", "driver-disabled", "driver-enabled"  # kinds of events


class Reloadable(Protocol):
    child: Child | None

    async def reload(self) -> None: ...


class Watch:
    """`tell(kind, detail)` is called for what the fleet should know; settle() sets it."""

    def __init__(self, driver: Installed, memory_bytes: int, files: list[str]) -> None:
        self.driver = driver
        self.memory_bytes = memory_bytes
        self.conduct = Conduct()
        self.lines: list[Reloadable] = []
        self._stamps = sources.stamps(files)
        self._children: set[Child] = set()
        self._tell: Callable[[str, str], None] = lambda _kind, _detail: None
        self._record: Path | None = None
        self._config = ""
        self._reload = False
        self._judged = asyncio.Event()  # disabled or enabled since it was last written down

    def settle(self, record: Path, config: str, reload: bool, tell: Callable[[str, str], None]) -> None:
        """`record` is the file that keeps whether the driver is disabled, under the configuration with digest
        `config`; `reload` is whether saved code is taken at once."""
        self._record, self._config, self._reload, self._tell = record, config, reload, tell
        try:
            kept = json.loads(record.read_text("utf-8"))
            stamps = {file: tuple(stamp) for file, stamp in kept["files"].items()}
            if kept["config"] == config and stamps == self._stamps:
                self.conduct.disabled = str(kept["cause"])
                log.error("%s", self.refused())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # never disabled, or not readable: five failures will tell

    @property
    def memory(self) -> int:
        """Bytes of all its children."""
        return sum(child.vitals.memory for child in self._children)

    @property
    def running(self) -> int:
        return sum(not child.lost for child in self._children)

    async def start_child(self, where: str) -> Child:
        name = f"{self.driver} at {where}"

        def on_failed(cause: str) -> None:
            self._failed(name, cause)

        child = await Child.start(name, self.driver.name, self.memory_bytes, on_failed)
        self._children.add(child)
        child.ended.add_done_callback(lambda _: self._children.discard(child))
        return child

    async def made_of(self, files: list[str]) -> None:
        """A child was loaded from these files."""
        self._stamps = await asyncio.to_thread(sources.stamps, files)

    async def refusal(self) -> str:
        """Why no child may be started; "" if one may. New code is another chance."""
        if not self.conduct.disabled:
            return ""
        if not await asyncio.to_thread(sources.changed, self._stamps):
            return self.refused()
        self.conduct.forgive()
        self._judged.set()
        log.info("%s: its code has changed: enabled again", self.driver)
        self._tell(ENABLED, "its code has changed")
        return ""

    def refused(self) -> str:
        return f"{self.driver} is disabled until its code or the configuration changes: {self.conduct.disabled}"

    async def run(self) -> None:
        """Until cancelled; the children are ended then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_record())
                if self._reload:
                    tasks.create_task(self._follow())
        finally:
            await self.end()

    async def end(self) -> None:
        children = list(self._children)
        for child in children:
            child.end()
        if children:
            await asyncio.wait([child.ended for child in children], timeout=END_S)

    def _failed(self, name: str, cause: str) -> None:
        log.error("%s: %s", name, cause)
        self._tell(FAILED, f"{name}: {cause}")
        if self.conduct.failed(cause, time.monotonic()):
            log.error("%s", self.refused())
            self._tell(DISABLED, self.conduct.disabled)
            self._judged.set()
            for child in self._children:
                child.end()

    async def _keep_record(self) -> None:
        while True:
            self._judged.clear()
            if self._record is not None:
                try:
                    await asyncio.to_thread(self._write_down, self._record, self._state())
                except OSError as error:
                    log.error("%s: whether it is disabled is not kept over a restart: %s", self.driver, error)
            await self._judged.wait()

    def _state(self) -> Mapping[str, object] | None:
        if not self.conduct.disabled:
            return None
        return {"cause": self.conduct.disabled, "config": self._config, "files": self._stamps}

    def _write_down(self, record: Path, state: Mapping[str, object] | None) -> None:
        if state is None:
            record.unlink(missing_ok=True)
            return
        record.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = record.with_suffix(".new")
        fresh.write_text(json.dumps(state), "utf-8")
        fresh.replace(record)

    async def _follow(self) -> None:
        """Takes saved code at once; what does not come up is told, and the old goes on."""
        known = dict(self._stamps)
        while True:
            await asyncio.sleep(POLL_S)
            now = await asyncio.to_thread(sources.stamps, self._stamps)
            if now == known:
                continue
            while now != (later := await self._look_again()):
                now = later
            known = now
            for line in self.lines:
                if line.child is not None and not line.child.lost:
                    await self._renew(line)
            # The files it was loaded from may be others; those of before may have been saved since.
            known = {file: known.get(file, stamp) for file, stamp in self._stamps.items()}

    async def _look_again(self) -> dict[str, sources.Stamp]:
        await asyncio.sleep(POLL_S)
        return await asyncio.to_thread(sources.stamps, self._stamps)

    async def _renew(self, line: Reloadable) -> None:
        began = time.monotonic()
        try:
            await line.reload()
        except DeviceError as error:
            log.error("%s: the new code was not taken: %s", self.driver, error)
        else:
            log.info("%s: took its new code within %.1f s", self.driver, time.monotonic() - began)
