"""The spool as the rest of the agent sees it: a thread that owns the file, and commits for all who ask at once."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from agent.spool.files import move_aside
from agent.spool.store import (
    CommandRecord,
    Damaged,
    DiskRefused,
    Freed,
    Row,
    Snapshot,
    SpoolRefused,
    Store,
)
from protocols.edge.messages import AckRange, Batch, Birth, Event, Spooled
from protocols.errors import ProtocolError

log = logging.getLogger(__name__)

GROUP_S = 0.05  # how long a message that is not urgent waits for company before a commit
RETRY_S = 1.0  # between attempts while the disk refuses
MEMORY_BYTES = 4 << 20  # of messages that wait while the disk refuses; older data beyond it is dropped
SLOW_DISK = 8  # times that, while the disk has not refused but only takes its time

T = TypeVar("T")


@dataclass(eq=False)
class _Job:
    """`patient` jobs wait while the disk refuses, the others fail. `size` is what a waiting message takes of memory."""

    run: Callable[[Store], Any]
    future: "asyncio.Future[Any]"
    writes: bool = True
    urgent: bool = True
    patient: bool = False
    size: int = 0
    expendable: bool = False


class Spool:
    """`async with Spool(data_dir / "spool.db", quota_bytes) as spool:`

    Entering raises SpoolInUse or DiskRefused. A damaged file is moved aside and a new one begun; `recovered` then
    says why, and if it happens later, `on_recovered` is called: the birth must be put again.

    A message is put with any incarnation and seq in its Origin; the spool writes its own in, inside the transaction
    that keeps it.
    """

    snapshot: Snapshot

    def __init__(
        self, path: Path, quota: int, group_s: float = GROUP_S, retry_s: float = RETRY_S, memory: int = MEMORY_BYTES
    ) -> None:
        self.recovered: str | None = None
        self.on_commit: Callable[[], None] = _nothing
        self.on_recovered: Callable[[str], None] = _ignored
        self._path = path
        self._quota = quota
        self._group_s = group_s
        self._retry_s = retry_s
        self._memory = memory
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._store: Store | None = None
        self._refused: str | None = None
        self._waiting_bytes = 0
        self._unwritten = 0  # messages dropped from memory, not yet declared

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[Snapshot] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, args=(opened,), name="spool", daemon=True)
        self._thread.start()
        self.snapshot = await opened
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Commits what waits, if the disk takes it."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    @property
    def refused(self) -> str | None:
        """What the disk says while it takes nothing."""
        return self._refused

    def submit(self, message: Spooled, urgent: bool = False) -> "asyncio.Future[int]":
        """Hands a message over; never waits. The future's seq says that it is on disk.

        Its SpoolRefused says that it never will be: the disk refused for longer than memory lasted. Its
        LocalProtocolError says that it is no message the contract allows.
        """
        job = _Job(
            lambda store: store.put(message, urgent),
            self._loop.create_future(),
            urgent=urgent,
            patient=True,
            size=_weight(message),
            expendable=isinstance(message, Batch) and not urgent,
        )
        return self._hand_over(job)

    async def put(self, message: Spooled, urgent: bool = False) -> int:
        return await self.submit(message, urgent)

    async def read(self, after: int, most_bytes: int) -> list[Row]:
        """Rows behind seq `after`, in order, up to `most_bytes` but at least one if there is one."""

        def run(store: Store) -> list[Row]:
            rows = store.read(after, most_bytes)
            while damaged := store.damaged():
                with store.transaction():
                    store.drop_damaged(damaged)
                log.error("%s: rows %s do not read back as they were written; dropped", self._path, damaged)
                rows = store.read(after, most_bytes)
            return rows

        return await self._ask(run)

    async def kept_birth(self, description_hash: bytes) -> int | None:
        """The seq of the newest birth of that description that waits for its acknowledgement."""
        return await self._ask(lambda store: store.kept_birth(description_hash))

    async def description(self, description_hash: bytes) -> bytes | None:
        """The description of that hash, if it was put and a kept row, or nothing newer, needs it."""
        return await self._ask(lambda store: store.description(description_hash))

    async def unfinished_commands(self) -> list[CommandRecord]:
        """Intents without a result, oldest first: what a crash interrupted."""
        return await self._ask(lambda store: store.unfinished_commands())

    async def free(self, ranges: Sequence[AckRange]) -> Freed:
        return await self._change(lambda store: store.free(ranges), urgent=False)

    async def next_connection(self) -> int:
        return await self._change(lambda store: store.next_connection())

    async def reincarnate(self) -> int:
        """Moves all kept rows to a new incarnation with new seqs, in one transaction; returns the incarnation."""
        return await self._change(lambda store: store.reincarnate())

    async def begin_command(self, id: bytes, intent: bytes, now_ms: int) -> bool:  # noqa: A002
        """Commits the intent; False if the id was ever seen: then nothing may be executed."""
        return await self._change(lambda store: store.begin_command(id, intent, now_ms))

    async def finish_command(self, id: bytes, result: Event) -> int:  # noqa: A002
        """Puts the result and closes the intent in one transaction; also for an id refused without an intent."""
        return await self._change(lambda store: store.finish_command(id, result), patient=True)

    async def _ask(self, run: Callable[[Store], T]) -> T:
        answer: T = await self._hand_over(_Job(run, self._loop.create_future(), writes=False))
        return answer

    async def _change(self, run: Callable[[Store], T], urgent: bool = True, patient: bool = False) -> T:
        done: T = await self._hand_over(_Job(run, self._loop.create_future(), urgent=urgent, patient=patient))
        return done

    def _hand_over(self, job: _Job) -> "asyncio.Future[Any]":
        with self._changed:
            if self._closing:
                job.future.set_exception(SpoolRefused("the spool is closed"))
                return job.future
            self._jobs.append(job)
            self._waiting_bytes += job.size
            dropped = self._trim()
            self._changed.notify()
        self._deliver(
            [(one, None, SpoolRefused(f"dropped: {self._refused or 'the disk is too slow'}")) for one in dropped]
        )
        return job.future

    def _trim(self) -> list[_Job]:
        """Drops what waits beyond the memory allowed: the oldest data, and if that is not enough, the oldest of all."""
        allowed = self._memory if self._refused is not None else SLOW_DISK * self._memory
        going: list[_Job] = []
        for expendable in (True, False):
            for job in list(self._jobs):
                if self._waiting_bytes <= allowed:
                    break
                if job.size and job.expendable is expendable and len(self._jobs) > 1:
                    self._jobs.remove(job)
                    self._waiting_bytes -= job.size
                    going.append(job)
        self._unwritten += len(going)
        return going

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
            if self._store is not None:
                self._store.close()

    def _open(self) -> Store:
        try:
            return Store(self._path, self._quota)
        except Damaged as error:
            self._give_up(error)
            return Store(self._path, self._quota)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store(self._path, self._quota, self.snapshot.counters)
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
            closing = self._closing
        writing = [job for job in jobs if job.writes]
        refused: list[_Job] = []
        try:
            done = self._commit(writing)
            if self._refused is not None:
                log.warning("%s: the disk takes writes again", self._path)
            self._refused = None
        except DiskRefused as error:
            done, refused = self._refuse(writing, str(error), closing)
        except Exception as error:  # a fault of ours: those who asked get it, and the thread lives on
            log.exception("%s: a transaction failed", self._path)
            done = [(job, None, error) for job in writing]
        self._deliver(done + [self._answer(job) for job in jobs if not job.writes])
        with self._changed:
            self._jobs.extendleft(reversed(refused))
            self._waiting_bytes = sum(job.size for job in self._jobs)
            dropped = self._trim()
        self._deliver(
            [(job, None, SpoolRefused(f"dropped: {self._refused or 'the disk is too slow'}")) for job in dropped]
        )
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

    def _commit(self, jobs: list[_Job]) -> "list[_Outcome]":
        if not jobs and not self._unwritten:
            return []
        try:
            return self._in_one_transaction(jobs)
        except Damaged as error:
            self._recover(error)
            return self._in_one_transaction(jobs)

    def _in_one_transaction(self, jobs: list[_Job]) -> "list[_Outcome]":
        outcomes: list[_Outcome] = []
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
        self._unwritten -= unwritten
        self.snapshot = store.snapshot
        self._call(self.on_commit)
        return outcomes

    def _answer(self, job: _Job) -> "_Outcome":
        try:
            try:
                return job, job.run(self._opened()), None
            except Damaged as error:
                self._recover(error)
                return job, job.run(self._opened()), None
        except DiskRefused as error:
            return job, None, SpoolRefused(str(error))
        except Exception as error:
            return job, None, error

    def _refuse(self, jobs: list[_Job], why: str, closing: bool) -> "tuple[list[_Outcome], list[_Job]]":
        if self._refused is None:
            log.error("%s: the disk refuses: %s", self._path, why)
        self._refused = why
        if self._store is not None and self._store.is_stuck:
            self._let_go()
        waits = [job for job in jobs if job.patient and not closing]
        return [(job, None, SpoolRefused(why)) for job in jobs if job not in waits], waits

    def _recover(self, error: Damaged) -> None:
        """Gives the file up and begins a new one, which may raise DiskRefused."""
        self._let_go()
        self._give_up(error)
        self.snapshot = self._opened().snapshot
        self._call(self.on_recovered, self.recovered)

    def _let_go(self) -> None:
        if self._store is not None:
            with suppress(sqlite3.Error):
                self._store.close()
        self._store = None

    def _deliver(self, outcomes: "list[_Outcome]") -> None:
        if outcomes:
            self._call(_settle_all, outcomes)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the event loop is gone, and with it whoever waited
            self._loop.call_soon_threadsafe(function, *arguments)


_Outcome = tuple[_Job, Any, BaseException | None]


def _settle_all(outcomes: Sequence[_Outcome]) -> None:
    for job, result, error in outcomes:
        _settle(job.future, result, error)


def _settle(future: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if future.done():  # whoever waited was cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _weight(message: Spooled) -> int:
    """About what a message takes of memory while it waits."""
    match message:
        case Batch():
            columns = [column for group in message.groups for column in group.columns]
            return 512 + sum(column.values.nbytes + 256 for column in columns)
        case Birth():
            return 512 + len(message.description)
    return 1024


def _nothing() -> None:
    pass


def _ignored(_: str) -> None:
    pass
