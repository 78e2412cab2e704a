"""Runs the models of all devices in one thread beside the event loop: polling never waits for them.

What waits longer than plan.ASIDE_MS is given up for what is newer, and told as Bad: a model that is slower than its
windows come loses some of them, never the thread of time.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NoReturn, Protocol

import numpy as np

from agent.bus.quiet import RateLimit, more
from agent.clock import boottime_ms
from agent.inference.net import Failed, Net
from agent.pipeline.inferred import Verdict, Window
from agent.pipeline.plan import ASIDE_MS
from agent.site import Site
from protocols.quality import Quality

log = logging.getLogger(__name__)

BATCH = 16  # windows of one model before the next one's turn
LONGEST_S = 10.0  # a batch that takes longer is broken off

Key = tuple[int, int]  # index of the device, number of its model


class Outward(Protocol):
    """Where verdicts go: agent.supervisor.Agent."""

    def judged(self, device: int, number: int, verdicts: Sequence[Verdict]) -> None: ...


@dataclass
class Queue:
    """One model's windows that wait, at most `most`, and what became of the others."""

    device: str
    channel: str  # the first that it says
    file: str
    net: Net
    most: int
    waiting: deque[Window] = field(default_factory=deque)
    passes: int = 0
    late: int = 0  # given up: newer ones had come
    failed: int = 0
    not_finite: int = 0  # passes with a NaN or an infinity among their numbers
    busy_s: float = 0.0


class Models:
    def __init__(self, outward: Outward) -> None:
        self._outward = outward
        self._queues: dict[Key, Queue] = {}
        self._moved = asyncio.Event()
        self._quiet = RateLimit()
        self._judging: tuple[Key, Net] | None = None

    def prepare(self, site: Site) -> None:
        """From now on this gateway's devices; models of devices that go on under their index go on too."""
        after = {}
        for key, queue in _queues(site):
            after[key] = self._queues.get(key, queue)
            after[key].net = queue.net  # equal to what it had, which need not be kept as well
        self._queues = after
        if self._judging is not None and self._judging[0] not in after:
            self._judging[1].stop()

    def take(self, windows: Mapping[Key, Iterable[Window]]) -> None:
        for (device, number), due in windows.items():
            queue = self._queues[device, number]
            queue.waiting.extend(due)
            late = [queue.waiting.popleft() for _ in range(len(queue.waiting) - queue.most)]
            if late:
                queue.late += len(late)
                self._tell(queue, f"{len(late)} windows given up: it is slower than they come")
                self._outward.judged(device, number, [Verdict(one.start_ms, None, Quality.BAD) for one in late])
        if windows:
            self._moved.set()

    async def run(self) -> NoReturn:
        pool = ThreadPoolExecutor(1, "models")
        try:
            while True:
                await self._moved.wait()
                self._moved.clear()
                while any(queue.waiting for queue in self._queues.values()):
                    for key, queue in list(self._queues.items()):
                        if queue.waiting:
                            await self._batch(pool, key, queue)
        finally:
            if self._judging is not None:
                self._judging[1].stop()
            pool.shutdown(wait=False, cancel_futures=True)

    async def _batch(self, pool: ThreadPoolExecutor, key: Key, queue: Queue) -> None:
        windows = [queue.waiting.popleft() for _ in range(min(BATCH, len(queue.waiting)))]
        net = queue.net
        net.stop(False)
        self._judging = key, net
        work = asyncio.get_running_loop().run_in_executor(pool, _judge, net, queue, windows)
        await asyncio.wait({work}, timeout=LONGEST_S)
        if not work.done():
            net.stop()
        verdicts, why = await work
        self._judging = None
        if why:
            self._tell(queue, why)
        if self._queues.get(key) is queue:
            self._outward.judged(*key, verdicts)

    def _tell(self, queue: Queue, why: str) -> None:
        kept = self._quiet.admit((queue.device, queue.channel), boottime_ms())
        if kept is not None:
            log.warning("device %s: %s: model %s: %s%s", queue.device, queue.channel, queue.file, why, more(kept))

    def report(self) -> list[dict[str, Any]]:
        return [
            {
                "device": queue.device,
                "channel": queue.channel,
                "model": queue.file,
                "waiting": len(queue.waiting),
                "passes": queue.passes,
                "late": queue.late,
                "failed": queue.failed,
                "not_finite": queue.not_finite,
                "busy_ms": round(1000 * queue.busy_s),
            }
            for queue in self._queues.values()
        ]


def _judge(net: Net, queue: Queue, windows: Sequence[Window]) -> tuple[list[Verdict], str]:
    """In the thread. The verdicts, and why the last failed one failed."""
    verdicts, why = [], ""
    began = perf_counter()
    for window in windows:
        numbers = None
        try:
            numbers = net.run(window.values)
            queue.not_finite += not np.isfinite(numbers).all()
        except Failed as error:
            queue.failed += 1
            why = str(error)
        queue.passes += 1
        verdicts.append(Verdict(window.start_ms, numbers, window.quality if numbers is not None else Quality.BAD))
    queue.busy_s += perf_counter() - began
    return verdicts, why


def _queues(site: Site) -> Iterable[tuple[Key, Queue]]:
    devices = [device for bus in site.config.buses for device in bus.devices]
    for index, device, plan in zip(site.indices, devices, site.plans, strict=True):
        for number, (one, planned) in enumerate(zip(device.inferences, plan.inferences, strict=True)):
            hop_ms = planned.hop * plan.period_of(planned.members[0])
            channel = f"{one.channels[0]}.{one.outputs[0]}"
            most = max(2, ASIDE_MS // hop_ms)
            yield (index, number), Queue(device.code, channel, one.file, site.config.nets[one], most)
