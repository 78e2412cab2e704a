"""The thread that owns the spool's file: commits at once for all who ask, and waits out a disk that refuses."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from agent.spool.errors import Damaged, DiskRefused, SpoolRefused
from agent.spool.files import move_aside
from agent.spool.records import Snapshot
from agent.spool.store import Store
from protocols.errors import ProtocolError

log = logging.getLogger(__name__)

SLOW_DISK = 4  # times the memory allowed, while the disk has not refused but only takes its time
STOP_S = 4.0  # a disk that neither takes nor refuses what waits when we leave is given up then


@dataclass(eq=False)
class Job:
    """`patient` jobs wait while the disk refuses, the others fail. `size` is what a waiting message takes of memory."""

    run: Callable[[Store], Any]
    future: "asyncio.Future[Any]"
    writes: bool = True
    urgent: bool = True
    patient: bool = False
    size: int = 0
    expendable: bool = False


Outcome: TypeAlias = tuple[Job, Any, BaseException | None]


class Keeper:
    """`on_commit` and `on_recovered` are called in the event loop, as the jobs' futures are settled there."""

    snapshot: Snapshot

    def __init__(self, path: Path, quota: int, group_s: float, retry_s: float, memory: int) -> None:
        self.recovered: str | None = None
        self.refused: str | None = None
        self.on_commit: Callable[[], None] = _nothing
        self.on_recovered: Callable[[str], None] = _ignored
        self._path = path
        self._quota = quota
        self._group_s = group_s
        self._retry_s = retry_s
        self._memory = memory
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._store: Store | None = None
        self._waiting_bytes = 0
        self._unwritten = 0  # messages dropped from memory, not yet declared
        self._in_hand = 0  # messages that the thread is about to commit

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        opened: asyncio.Future[Snapshot] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, args=(opened,), name="spool", daemon=True)
        self._thread.start()
        self.snapshot = await opened

    async def stop(self) -> None:
        """Commits what waits. Raises DiskRefused, with how much is lost, if the disk does not take it."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        _, hangs = await asyncio.wait([self._ended], timeout=STOP_S)  # not join(): the disk may answer never
        if hangs:
            raise DiskRefused(f"the disk has not answered for {STOP_S:g} s; {self._told_lost()}")
        if self.waiting:
            raise DiskRefused(f"{self.refused}; {self._told_lost()}")

    @property
    def waiting(self) -> int:
        """Messages that are not on disk: in memory, or dropped from it and not yet declared."""
        with self._changed:
            return self._unwritten + self._in_hand + _messages(self._jobs)

    def _told_lost(self) -> str:
        return f"{self.waiting} messages were not on disk and are lost"

    def future(self) -> "asyncio.Future[Any]":
        return self._loop.create_future()

    def hand_over(self, job: Job) -> "asyncio.Future[Any]":
        with self._changed:
            if self._closing:
                job.future.set_exception(SpoolRefused("the spool is closed"))
                return job.future
            self._jobs.append(job)
            self._waiting_bytes += job.size
            dropped = self._trim()
            self._changed.notify()
        self._deliver(dropped)
        return job.future

    def _trim(self) -> list[Outcome]:
        """Drops what waits beyond the memory allowed: the oldest data, and if that is not enough, the oldest of all."""
        allowed = self._memory if self.refused is not None else SLOW_DISK * self._memory
        going: list[Job] = []
        for expendable in (True, False):
            for job in list(self._jobs):
                if self._waiting_bytes <= allowed:
                    break
                if job.size and job.expendable is expendable and len(self._jobs) > 1:
                    self._jobs.remove(job)
                    self._waiting_bytes -= job.size
                    going.append(job)
        self._unwritten += len(going)
        why = f"dropped: {self.refused or 'the disk is too slow'}"
        return [(job, None, SpoolRefused(why)) for job in going]

    # From here on, in the spool's own thread.

    def _work(self, opened: "asyncio.Future[Snapshot]") -> None:
        try:
            self._store = self._open()
            first = self._store.snapshot
        except Exception as error:
            self._call(_settle, opened, None, error)
            return
        self._call(_settle, opened, first, None)
        try:
            while self._step():
                pass
        finally:
            self._let_go()
            self._call(_settle, self._ended, None, None)

    def _open(self) -> Store:
        try:
            return Store(self._path, self._quota)
        except Damaged as error:
            self._give_up(error)
            return Store(self._path, self._quota)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store(self._path, self._quota, self.snapshot.counters)
            if self._store.snapshot.incarnation != self.snapshot.incarnation:
                self.recovered = self.recovered or "the spool's file was removed or replaced"
                self.snapshot = self._store.snapshot
                self._call(self.on_recovered, self.recovered)
        return self._store

    def _give_up(self, error: Damaged) -> None:
        self.recovered = f"{error}; the old file is {move_aside(self._path)}"
        log.error("%s: %s", self._path, self.recovered)

    def _step(self) -> bool:
        """One turn: waits for jobs, commits those that write together, then answers those that read."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            self._gather()
            jobs = list(self._jobs)
            self._jobs.clear()
            self._waiting_bytes = sum(job.size for job in jobs)
            self._in_hand = _messages(jobs)
            closing = self._closing
        writing = [job for job in jobs if job.writes]
        refused: list[Job] = []
        try:
            done = self._commit(writing)
        except DiskRefused as error:
            done, refused = self._refuse(writing, str(error), closing)
        except Exception as error:  # a fault of ours: those who asked get it, and the thread lives on
            log.exception("%s: a transaction failed", self._path)
            done = [(job, None, error) for job in writing]
        self._deliver(done + [self._answer(job) for job in jobs if not job.writes])
        with self._changed:
            self._jobs.extendleft(reversed(refused))
            self._in_hand = 0
            self._waiting_bytes = sum(job.size for job in self._jobs)
            dropped = self._trim()
        self._deliver(dropped)
        if refused:
            self._pause()
        return not closing

    def _gather(self) -> None:
        """Waits for company while nothing is urgent."""
        deadline = time.monotonic() + self._group_s
        while not self._closing and not any(job.urgent for job in self._jobs):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._changed.wait(left)

    def _pause(self) -> None:
        """Until the next attempt, or the next job that only reads."""
        deadline = time.monotonic() + self._retry_s
        with self._changed:
            while not self._closing and all(job.writes for job in self._jobs):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)

    def _commit(self, jobs: list[Job]) -> list[Outcome]:
        if not jobs and not self._unwritten:
            return []
        try:
            return self._in_one_transaction(jobs)
        except Damaged as error:
            self._recover(error)
            return self._in_one_transaction(jobs)

    def _in_one_transaction(self, jobs: list[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        unwritten = self._unwritten
        store = self._opened()
        with store.transaction():
            if unwritten:
                store.drop_unwritten(unwritten)
            for job in jobs:
                try:
                    outcomes.append((job, job.run(store), None))
                except ProtocolError as error:  # one message that cannot be sent does not stop the others
                    outcomes.append((job, None, error))
        with self._changed:
            self._unwritten -= unwritten
        if self.refused is not None:
            log.warning("%s: the disk takes writes again", self._path)
        self.refused = None
        self.snapshot = store.snapshot
        self._call(self.on_commit)
        return outcomes

    def _answer(self, job: Job) -> Outcome:
        try:
            try:
                answer = job.run(self._opened())
            except Damaged as error:
                self._recover(error)
                answer = job.run(self._opened())
            self.snapshot = self._opened().snapshot  # a read drops what it finds damaged
            return job, answer, None
        except DiskRefused as error:
            return job, None, SpoolRefused(str(error))
        except Exception as error:
            return job, None, error

    def _refuse(self, jobs: list[Job], why: str, closing: bool) -> tuple[list[Outcome], list[Job]]:
        if self.refused is None:
            log.error("%s: the disk refuses: %s", self._path, why)
        self.refused = why
        if self._store is not None and self._store.is_stuck:
            self._let_go()
        waits = [job for job in jobs if job.patient and not closing]
        if closing:
            with self._changed:
                self._unwritten += _messages(jobs)
        return [(job, None, SpoolRefused(why)) for job in jobs if closing or not job.patient], waits

    def _recover(self, error: Damaged) -> None:
        """Gives the file up and begins a new one, which may raise DiskRefused."""
        self._let_go()
        self._give_up(error)
        self._opened()

    def _let_go(self) -> None:
        if self._store is not None:
            with suppress(sqlite3.Error):
                self._store.close()
        self._store = None

    def _deliver(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            self._call(_settle_all, outcomes)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the event loop is gone, and with it whoever waited
            self._loop.call_soon_threadsafe(function, *arguments)


def _settle_all(outcomes: Sequence[Outcome]) -> None:
    for job, result, error in outcomes:
        _settle(job.future, result, error)


def _settle(future: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if future.done():  # whoever waited was cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _messages(jobs: Iterable[Job]) -> int:
    return sum(job.size > 0 for job in jobs)


def _nothing() -> None:
    pass


def _ignored(_: str) -> None:
    pass
