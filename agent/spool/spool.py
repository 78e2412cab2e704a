"""The spool as the rest of the agent sees it."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from agent.spool.keeper import Job, Keeper
from agent.spool.records import CommandRecord, Freed, Row, Snapshot, Want
from agent.spool.store import WANTED, Store
from protocols.edge.columns import Group
from protocols.edge.messages import MAX_SEQ, AckRange, Batch, Birth, Burst, Event, Spooled

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)

GROUP_S = 0.05  # how long a message that is not urgent waits for company before a commit
RETRY_S = 1.0  # between attempts while the disk refuses
MEMORY_BYTES = 4 << 20  # of messages that wait while the disk refuses; older data beyond it is dropped

INTEGER_BYTES = 32
SAMPLE_BYTES = 9  # of a column: at most 8 of the number, and one that says whether it is there

T = TypeVar("T")


class Spool:
    """`async with Spool(data_dir / "spool.db", quota_bytes) as spool:`

    Entering raises SpoolInUse or DiskRefused. Leaving commits what waits; where the disk does not take it within
    seconds it raises DiskRefused, with how many messages are lost.

    A damaged file is moved aside and a new one begun; `recovered` then says why; if that happens later, what
    on_recovered() was given is called: the birth must be put again.

    A message is put with any incarnation and seq in its Origin; the spool writes its own in, inside the transaction
    that keeps it.
    """

    def __init__(
        self, path: Path, quota: int, group_s: float = GROUP_S, retry_s: float = RETRY_S, memory: int = MEMORY_BYTES
    ) -> None:
        self._path = path
        self._keeper = Keeper(path, quota, group_s, retry_s, memory)

    async def __aenter__(self) -> Self:
        await self._keeper.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._keeper.stop()

    @property
    def snapshot(self) -> Snapshot:
        """Of the last commit; never waits."""
        return self._keeper.snapshot

    @property
    def recovered(self) -> str | None:
        """Why a damaged file was moved aside, if one was."""
        return self._keeper.recovered

    @property
    def refused(self) -> str | None:
        """What the disk says while it takes nothing."""
        return self._keeper.refused

    @property
    def waiting(self) -> int:
        """Messages that were handed over and are not on disk; of any thread."""
        return self._keeper.waiting

    def on_commit(self, call: Callable[[], None]) -> None:
        """Calls `call` in the event loop after each commit."""
        self._keeper.on_commit = call

    def on_recovered(self, call: Callable[[str], None]) -> None:
        """Calls `call` in the event loop, with the reason, when a damaged file is moved aside after the start."""
        self._keeper.on_recovered = call

    def submit(self, message: Spooled, urgent: bool = False) -> "asyncio.Future[int]":
        """Hands a message over; never waits. The future's seq says that it is on disk.

        Its SpoolRefused says that it never will be: the disk refused for longer than memory lasted. Its
        LocalProtocolError says that it is no message the contract allows.
        """
        job = Job(
            lambda store: store.put(message, urgent),
            self._keeper.future(),
            urgent=urgent,
            patient=True,
            size=_weight(message),
            expendable=isinstance(message, Batch) and not urgent,
        )
        return self._keeper.hand_over(job)

    async def put(self, message: Spooled, urgent: bool = False) -> int:
        return await self.submit(message, urgent)

    async def read(self, after: int, most_bytes: int) -> list[Row]:
        """Rows behind seq `after`, in order, up to `most_bytes` but at least one if there is one."""
        return await self._ask(lambda store: self._read(store, after, most_bytes))

    async def take(self, wants: Sequence[Want]) -> tuple[int, list[Row]]:
        """The rows of the first of `wants` that has any, and its place; len(wants) and none where none has.

        It is on disk that they are about to be sent when this returns.
        """

        def run(store: Store) -> tuple[int, list[Row]]:
            for place, (keep, after, until, most_bytes, ahead) in enumerate(wants):
                if rows := self._read(store, after, most_bytes, keep, until):
                    if unclaimed := store.unclaimed(keep, (row.seq for row in rows)):
                        with store.transaction():
                            store.claim(keep, unclaimed, ahead)
                    return place, rows
            return len(wants), []

        return await self._ask(run)

    async def take_in_order(self, after: int, most_bytes: int) -> list[Row]:
        """As read(), but it is on disk that they are about to be sent when this returns."""

        def run(store: Store) -> list[Row]:
            rows = self._read(store, after, most_bytes)
            claims = {keep: store.unclaimed(keep, seqs) for keep, seqs in store.kept_as(rows).items()}
            if any(claims.values()):
                with store.transaction():
                    for keep, seqs in claims.items():
                        store.claim(keep, seqs, 0)
            return rows

        return await self._ask(run)

    async def has_events(self) -> bool:
        """Whether an event waits for its acknowledgement."""
        return await self._ask(lambda store: bool(store.read(0, 1, WANTED)))

    def _read(
        self, store: Store, after: int, most_bytes: int, keep: int | None = None, until: int = MAX_SEQ
    ) -> list[Row]:
        rows = store.read(after, most_bytes, keep, until)
        while damaged := store.damaged():
            with store.transaction():
                store.drop_damaged(damaged)
            log.error("%s: rows %s do not read back as they were written; dropped", self._path, damaged)
            rows = store.read(after, most_bytes, keep, until)
        return rows

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
        answer: T = await self._keeper.hand_over(Job(run, self._keeper.future(), writes=False))
        return answer

    async def _change(self, run: Callable[[Store], T], urgent: bool = True, patient: bool = False) -> T:
        done: T = await self._keeper.hand_over(Job(run, self._keeper.future(), urgent=urgent, patient=patient))
        return done


def _weight(message: Spooled) -> int:
    """What a message takes of memory while it waits, and rather more than less."""
    match message:
        case Batch():
            return 1024 + sum(map(_group_weight, message.groups))
        case Burst():
            return 1024 + _group_weight(message.waveform.group)
        case Birth():
            return 1024 + len(message.description)
    return 2048


def _group_weight(group: Group) -> int:
    return (
        256
        + group.times.nbytes
        + len(group.columns) * (448 + SAMPLE_BYTES * len(group.times))
        + sum(_quality_weight(column.quality) for column in group.columns if column.quality)
        + sum(256 + SAMPLE_BYTES * run.values.size for run in group.runs)
    )


def _quality_weight(quality: Mapping[int, int]) -> int:
    """Qualities are objects in a dict: a failed reading takes more of memory than a good one."""
    return sys.getsizeof(quality) + 2 * INTEGER_BYTES * len(quality)
