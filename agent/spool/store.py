"""The spool's rows: all SQL, inside transactions that whoever uses it opens and ends."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from agent.spool.errors import DiskRefused, told
from agent.spool.ranges import holds, runs, with_claimed, with_dropped
from agent.spool.records import NONE, CommandRecord, Counters, Freed, Row
from agent.spool.room import FILE_BYTES, PAGE, free_bytes, keep_place, take_place
from agent.spool.schema import CAPTURED_BYTES, life, load, new_incarnation, open_database
from agent.spool.thinning import MOST_LEVEL, thinned, together
from protocols.edge.birth import description_hash
from protocols.edge.messages import (
    MAX_SEQ,
    AckRange,
    AckStatus,
    Batch,
    Birth,
    Burst,
    DropCause,
    Event,
    Spooled,
    acknowledgement_digest,
    decode,
    digest,
    encode,
)
from protocols.errors import LocalProtocolError, RemoteProtocolError

log = logging.getLogger(__name__)

LEAVES = ("birth", "data", "event", "burst")  # as numbered in the file
EXPENDABLE, WANTED, BIRTH = 0, 1, 2  # what goes first when the quota is reached; births never go
CAPTURED = 3  # nor do bursts, which events name; agent.rules.recorder makes no more than have room
THINNED = -1  # what was thinned n times is kept as -n: it goes before what is newer
BRIM = 8  # thinning begins when the last eighth of the quota is entered
STEP_BYTES = 96 << 10  # that are thinned at once: some ten ms, and the result is one message
STEP_ROWS = 512
NEWEST = 4  # the newest quarter of all rows is never thinned
ROW_BYTES = 160  # a row without its payload, with its share of the index and of its page
SPARE_BYTES = FILE_BYTES // 2  # room that is left, so that no commit makes the file grow on a disk that is full
_ROWS = "SELECT seq, leaf, payload, digest, birth, place FROM spooled"
MAX_GONE = 4096  # digests of freed rows that are remembered, for ranges that reach back over them
MAX_RANGE = 100_000
MAX_COMMANDS = 10_000  # ids remembered beyond the unfinished ones; an older one has long expired


class Store:
    """Every change stands inside `with store.transaction():`; `snapshot` is of the last one that was committed.

    Opening raises Damaged, DiskRefused or SpoolInUse, everything else Damaged or DiskRefused. Used by one thread.
    """

    def __init__(self, path: Path, quota: int, counters: Counters = NONE) -> None:
        self.path = path
        self.quota = quota
        self._front = 0  # where thinning goes on
        self._floor = 0  # where it begins again: nothing up to there can be thinned any more
        self._told = 0  # the highest seq of rows that could not be thinned, and were told of
        self._has_data = False  # this transaction, telemetry that is
        self._gone: dict[int, bytes] = {}
        self._gone_now: dict[int, bytes] = {}
        self._damaged: list[int] = []
        self._db = open_database(path)
        try:
            self.snapshot = self._now = replace(load(self._db, quota), counters=counters)
            self._file = _identity(path)
            with told():
                take_place(self._db, path, min(FILE_BYTES, quota))
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()
        keep_place(self.path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done inside is on disk when this returns, or none of it is."""
        self._now, self._gone_now, self._has_data = self.snapshot, {}, False
        try:
            with told():
                if _identity(self.path) != self._file:
                    raise DiskRefused("the spool's file was removed or replaced")
                self._db.execute("BEGIN IMMEDIATE")
                yield
                allowed = self._allowed()
                self._thin(allowed - allowed // BRIM)
                self._enforce_quota(allowed)
                self._save()
                self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.snapshot = self._now
        self._gone |= self._gone_now
        for seq in list(self._gone)[: max(0, len(self._gone) - MAX_GONE)]:
            del self._gone[seq]

    def put(self, message: Spooled, urgent: bool) -> int:
        """Gives the message its place: incarnation, seq, bytes. Raises LocalProtocolError for what cannot be sent."""
        seq = self._now.next_seq
        keep = _keep_of(message, urgent)
        self._put(message, keep)
        self._has_data |= keep == EXPENDABLE
        self._count(put=1)
        return seq

    def drop_unwritten(self, count: int) -> None:
        """Gives seqs to messages that the disk refused and that are no more, so that their loss can be told."""
        self._skip(count, DropCause.DISK)
        self._count(dropped_disk=count)

    def read(self, after: int, most_bytes: int, keep: int | None = None, until: int = MAX_SEQ) -> list[Row]:
        """Rows behind seq `after`, in order, up to `most_bytes` of payload but at least one, if there is one.

        With `keep`, those alone that are kept so, with THINNED of all levels; `until` is the last seq looked at.
        A row that does not read back as it was written is left out; drop_damaged() is then to be called.
        """
        rows: list[Row] = []
        size = 0
        self._damaged = []
        with told():
            cursor = self._rows(after, keep, until)
            for seq, leaf, payload, kept_digest, birth, place in cursor:
                if not _is_sound(leaf, payload, kept_digest, birth) or not isinstance(place, int | None):
                    self._damaged.append(seq)
                    continue
                size += len(payload)
                if rows and size > most_bytes:
                    break
                rows.append(Row(seq, LEAVES[leaf], payload, kept_digest, birth, place))
            cursor.close()
        return rows

    def damaged(self) -> list[int]:
        """The rows that the last read() left out."""
        return self._damaged

    def drop_damaged(self, seqs: Sequence[int]) -> None:
        self._delete(seqs)
        self._declare(seqs, DropCause.DAMAGED)
        self._count(dropped_damaged=len(seqs))

    def _rows(self, after: int, keep: int | None, until: int) -> sqlite3.Cursor:
        if keep is None:
            return self._db.execute(f"{_ROWS} WHERE seq > ? AND seq <= ? ORDER BY seq", (after, until))
        if keep == THINNED:  # few and large, so that the index is sorted in no time; their payloads would not be
            seqs = "SELECT seq FROM spooled WHERE keep < 0 AND seq > ? AND seq <= ? ORDER BY seq LIMIT 64"
            return self._db.execute(f"{_ROWS} WHERE seq IN ({seqs}) ORDER BY seq", (after, until))
        if keep == WANTED:
            return self._db.execute(
                f"{_ROWS} INDEXED BY spooled_by_place WHERE keep = 1 AND place > ? AND place <= ? ORDER BY place",
                (after, until),
            )
        return self._db.execute(
            f"{_ROWS} INDEXED BY spooled_by_keep WHERE keep = ? AND seq > ? AND seq <= ? ORDER BY seq",
            (keep, after, until),
        )

    def kept_as(self, rows: Sequence[Row]) -> dict[int, list[int]]:
        """The seqs of rows that stand behind one another, by how they are kept."""
        found: dict[int, list[int]] = {}
        if rows:
            query = "SELECT max(keep, ?), seq FROM spooled WHERE seq BETWEEN ? AND ? ORDER BY seq"
            with told():
                for keep, seq in self._db.execute(query, (THINNED, rows[0].seq, rows[-1].seq)):
                    found.setdefault(keep, []).append(seq)
        return found

    def unclaimed(self, keep: int, seqs: Iterable[int]) -> list[int]:
        claimed = self.snapshot.claimed.get(keep, ())
        return [seq for seq in seqs if not holds(claimed, seq)]

    def claim(self, keep: int, seqs: Sequence[int], ahead: int) -> None:
        """Notes that rows kept so are about to be sent, and `ahead` seqs behind each: from now on the server may have
        them, and they are never said again under another seq."""
        ranges = tuple(one for one in self._now.claimed.get(keep, ()) if one[1] >= self._now.first_kept)
        for low, high in runs(seqs):
            ranges = with_claimed(ranges, low, high + ahead)
        self._now = replace(self._now, claimed={**self._now.claimed, keep: ranges})
        self._db.execute("DELETE FROM claimed WHERE keep = ?", (keep,))
        self._db.executemany("INSERT INTO claimed VALUES (?, ?, ?)", [(keep, *one) for one in ranges])

    def kept_birth(self, hashed: bytes) -> int | None:
        """The seq of the newest kept birth of that description: one that waits for its acknowledgement."""
        with told():
            found = self._db.execute(
                "SELECT max(seq) FROM spooled WHERE keep = ? AND birth = ?", (BIRTH, hashed)
            ).fetchone()
        return None if found[0] is None else int(found[0])

    def description(self, hashed: bytes) -> bytes | None:
        with told():
            found = self._db.execute("SELECT description FROM birth WHERE hash = ?", (hashed,)).fetchone()
        if found is None or description_hash(found[0]) != hashed:
            return None
        return bytes(found[0])

    def free(self, ranges: Iterable[AckRange]) -> Freed:
        """Lets go of rows that an acknowledgement covers: whole ranges, and only where its digest is that of our bytes.

        Rows of a range that were freed before take part in the digest from memory. A range with a seq whose bytes
        nobody here remembers cannot be checked, and frees nothing; its rows will be sent, and acknowledged, again.
        """
        freed: list[int] = []
        refused = 0
        for one in ranges:
            if one.status not in (AckStatus.STORED, AckStatus.QUARANTINED):
                continue
            seqs = self._covered(one)
            if seqs is None:
                refused += 1
                continue
            freed += seqs
            self._delete(seqs)
        self._count(freed=len(freed), refused_ranges=refused)
        return Freed(tuple(freed), refused)

    def _covered(self, one: AckRange) -> list[int] | None:
        if one.last >= self._now.next_seq or one.last - one.first >= MAX_RANGE:
            return None
        kept = dict(
            self._db.execute("SELECT seq, digest FROM spooled WHERE seq BETWEEN ? AND ?", (one.first, one.last))
        )
        digests = []
        for seq in range(one.first, one.last + 1):
            known = kept.get(seq) or self._gone_now.get(seq) or self._gone.get(seq)
            if known is None:
                return None
            digests.append(known)
        return sorted(kept) if acknowledgement_digest(digests) == one.digest else None

    def next_connection(self) -> int:
        self._now = replace(self._now, connection=self._now.connection + 1)
        return self._now.connection

    def reincarnate(self) -> int:
        """Gives every kept row a place in a new incarnation, in the old order; what was declared dropped is past.

        The n-th row becomes seq n, which is never above its old one: so rows can move one by one, in rising order,
        without meeting each other, however many they are.
        """
        self._db.execute("DELETE FROM dropped")
        self._db.execute("DELETE FROM claimed")
        self._gone.clear()
        self._front = self._floor = self._told = 0
        self._now = replace(
            self._now, incarnation=new_incarnation(), next_seq=1, rows=0, bytes=0, dropped=(), first_kept=1, claimed={}
        )
        query = "SELECT seq, keep, leaf, payload, digest, birth, place FROM spooled WHERE seq > ? ORDER BY seq LIMIT 1"
        seq = 0
        events: list[tuple[int, int]] = []  # (old place, new seq)
        while (row := self._db.execute(query, (seq,)).fetchone()) is not None:
            seq, keep, leaf, payload, kept_digest, birth, place = row
            self._db.execute("DELETE FROM spooled WHERE seq = ?", (seq,))
            message = _decoded(payload) if _is_sound(leaf, payload, kept_digest, birth) else None
            if message is not None:
                if keep == WANTED:
                    events.append((place if isinstance(place, int) else seq, self._now.next_seq))
                self._put(message, keep)
                self._count(put=1)
            else:
                self._skip(1, DropCause.DAMAGED)
        moved = sorted(events)  # those that thinning moved stand behind others that came after them
        self._db.executemany(
            "UPDATE spooled SET place = ? WHERE seq = ?",
            [(place, seq) for (_, place), (_, seq) in zip(events, moved, strict=True) if place != seq],
        )
        return self._now.incarnation

    def begin_command(self, identity: bytes, intent: bytes, now_ms: int) -> bool:
        cursor = self._db.execute(
            "INSERT INTO command (id, received_ms, intent) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (identity, now_ms, intent),
        )
        if not cursor.rowcount:
            return False
        self._db.execute(
            "DELETE FROM command WHERE finished AND number <= (SELECT max(number) FROM command) - ?", (MAX_COMMANDS,)
        )
        return True

    def finish_command(self, identity: bytes, result: Event) -> int:
        seq = self.put(result, urgent=True)
        self._db.execute(
            "INSERT INTO command (id, received_ms, intent, finished) VALUES (?, ?, x'', 1)"
            " ON CONFLICT (id) DO UPDATE SET finished = 1",
            (identity, result.t),
        )
        return seq

    def unfinished_commands(self) -> list[CommandRecord]:
        with told():
            rows = self._db.execute(
                "SELECT id, intent, received_ms FROM command WHERE NOT finished ORDER BY number"
            ).fetchall()
        return [CommandRecord(*row) for row in rows]

    def _put(self, message: Spooled, keep: int, place: int | None = None) -> None:
        origin = replace(message.origin, incarnation=self._now.incarnation, seq=self._now.next_seq)
        self._insert(replace(message, origin=origin), keep, place)
        self._now = replace(self._now, next_seq=self._now.next_seq + 1)

    def _insert(self, message: Spooled, keep: int, place: int | None) -> None:
        payload = encode(message)
        birth = None
        match message:
            case Birth():
                birth = description_hash(message.description)
                self._remember_birth(birth, message.description)
            case Batch():
                birth = message.birth
            case Burst():
                birth = message.waveform.birth
        leaf = {Birth: 0, Batch: 1, Event: 2, Burst: 3}[type(message)]
        size = row_bytes(len(payload))
        if keep == WANTED:
            place = place or message.origin.seq
        self._db.execute(
            "INSERT INTO spooled VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (message.origin.seq, leaf, keep, birth, digest(payload), size, payload, place),
        )
        self._now = replace(self._now, rows=self._now.rows + 1, bytes=self._now.bytes + size)

    def _remember_birth(self, hashed: bytes, description: bytes) -> None:
        """Keeps descriptions as long as a batch that needs one, so that a server that lost it can have it again."""
        self._db.execute("DELETE FROM birth WHERE hash NOT IN (SELECT birth FROM spooled WHERE birth IS NOT NULL)")
        self._db.execute("INSERT OR REPLACE INTO birth VALUES (?, ?)", (hashed, description))

    def _delete(self, seqs: Sequence[int]) -> None:
        for seq in seqs:
            found = self._db.execute("SELECT digest, bytes FROM spooled WHERE seq = ?", (seq,)).fetchone()
            if found is not None:
                self._db.execute("DELETE FROM spooled WHERE seq = ?", (seq,))
                self._gone_now[seq] = found[0]
                self._now = replace(self._now, rows=self._now.rows - 1, bytes=self._now.bytes - found[1])

    def _skip(self, count: int, cause: DropCause) -> None:
        seqs = range(self._now.next_seq, self._now.next_seq + count)
        self._now = replace(self._now, next_seq=seqs.stop)
        self._declare(seqs, cause)

    def _allowed(self) -> int:
        spare = min(SPARE_BYTES, self.quota // 2)
        return min(self.quota, self._now.bytes + free_bytes(self._db, self.path) - spare)

    def _thin(self, brim: int) -> None:
        """Says the oldest telemetry again in less detail while there is more than `brim`, but no more at once than a
        few times what came with this transaction: it must not hold up what is live."""
        if not self._has_data or self._now.bytes <= brim:
            return
        budget = max(STEP_BYTES, 3 * (self._now.bytes - self.snapshot.bytes))
        newest = self._db.execute(
            "SELECT seq FROM spooled ORDER BY seq DESC LIMIT 1 OFFSET ?", (self._now.rows // NEWEST,)
        ).fetchone()[0]
        while self._now.bytes > brim and budget > 0:
            if not (taken := self._thin_front(newest)):
                break
            budget -= taken

    def _thin_front(self, newest: int) -> int:
        """One step, before seq `newest`; how many bytes of rows were looked at, 0 where there is nothing to thin.

        Events, bursts and births among what is thinned move along to new seqs, unchanged: else each would stand alone
        between two declared ranges, here and at the server, for ever.
        """
        size, data, rows = 0, 0, list[tuple[int, int, bytes, int]]()
        for seq, keep, leaf, payload, kept_digest, birth, place in self._db.execute(
            "SELECT seq, keep, leaf, payload, digest, birth, place FROM spooled WHERE seq > ? AND seq < ? ORDER BY seq",
            (self._front, newest),
        ):
            claimed = holds(self._now.claimed.get(max(keep, THINNED), ()), seq)
            if claimed or not _is_sound(leaf, payload, kept_digest, birth):
                continue
            rows.append((seq, keep, payload, place))
            size += len(payload)
            data += len(payload) if -MOST_LEVEL < keep <= EXPENDABLE else 0
            if size >= STEP_BYTES or len(rows) >= STEP_ROWS:
                break
        if self._front == self._floor:  # what was claimed stays so: it is not read again with each pass
            self._floor = (rows[0][0] if rows else newest) - 1
        if not rows:
            self._front = self._floor  # for the next transaction
            return 0
        self._front = rows[-1][0]
        if 4 * data < size:  # mostly events: they stay where they are
            return size
        before = self._now, dict(self._gone_now)
        self._db.execute("SAVEPOINT step")
        try:
            self._say_again(rows)
        except LocalProtocolError as error:  # together too much for one message: they stay as they are
            if rows[0][0] > self._told:  # each pass meets them again
                self._told = rows[0][0]
                log.warning("%s: rows %d to %d cannot be thinned: %s", self.path, rows[0][0], rows[-1][0], error)
            self._db.execute("ROLLBACK TO step")
            self._now, self._gone_now = before
        self._db.execute("RELEASE step")
        return size

    def _say_again(self, rows: Sequence[tuple[int, int, bytes, int]]) -> None:
        telemetry: list[tuple[int, Batch]] = []
        others: list[tuple[int, Spooled, int]] = []
        seqs: list[int] = []
        for seq, keep, payload, place in rows:
            message = _decoded(payload)
            if message is None:
                continue
            seqs.append(seq)
            if isinstance(message, Batch) and keep <= EXPENDABLE:
                telemetry.append((-keep, message))
            else:
                others.append((keep, message, place))
        again = [thinned(level, batches) for level, batches in together(telemetry)]
        self._delete(seqs)
        for level, batch in again:
            self._put(batch, -level)
        for keep, message, place in others:  # behind: a birth forgets descriptions that no row needs
            self._put(message, keep, place if keep == WANTED else None)
        self._declare(seqs, DropCause.THINNED)
        self._count(thinned=len(telemetry))

    def _enforce_quota(self, allowed: int) -> None:
        """Drops the oldest data, then the oldest events, until the rest fits; and says so."""
        excess = self._now.bytes - allowed
        if excess <= 0:
            return
        going = []
        for seq, size in self._db.execute("SELECT seq, bytes FROM spooled WHERE keep < ? ORDER BY keep, seq", (BIRTH,)):
            if excess <= 0:
                break
            going.append(seq)
            excess -= size
        going.sort()
        self._delete(going)
        self._declare(going, DropCause.QUOTA)
        self._count(dropped_quota=len(going))

    def _declare(self, seqs: Iterable[int], cause: DropCause) -> None:
        def is_kept(first: int, last: int) -> bool:
            query = "SELECT EXISTS (SELECT 1 FROM spooled WHERE seq BETWEEN ? AND ?)"
            return bool(self._db.execute(query, (first, last)).fetchone()[0])

        before, after = self._now.dropped, with_dropped(self._now.dropped, seqs, cause, is_kept)
        self._db.executemany("DELETE FROM dropped WHERE first = ?", [(d.first,) for d in set(before) - set(after)])
        self._db.executemany(
            "INSERT INTO dropped VALUES (?, ?, ?)",
            [(d.first, d.last, int(d.cause)) for d in set(after) - set(before)],
        )
        self._now = replace(self._now, dropped=after)

    def _count(self, **more: int) -> None:
        counters = self._now.counters
        grown = {name: getattr(counters, name) + by for name, by in more.items()}
        self._now = replace(self._now, counters=replace(counters, **grown))

    def _save(self) -> None:
        first = self._db.execute("SELECT min(seq) FROM spooled").fetchone()[0]
        captured = self._db.execute(CAPTURED_BYTES).fetchone()[0]
        self._now = replace(self._now, first_kept=self._now.next_seq if first is None else first, captured=captured)
        if life(self._now) != life(self.snapshot):
            self._db.execute(
                "UPDATE life SET incarnation = ?, next_seq = ?, connection = ?, digest = ?", life(self._now)
            )

    def _roll_back(self) -> None:
        self._now = self.snapshot
        if self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    @property
    def is_stuck(self) -> bool:
        """Whether the file must be opened anew: a transaction could not even be rolled back, or it is another file.

        A file that was removed takes writes as before, and all that it holds is gone when it is closed.
        """
        return self._db.in_transaction or _identity(self.path) != self._file


def _keep_of(message: Spooled, urgent: bool) -> int:
    if isinstance(message, Birth):
        return BIRTH
    if isinstance(message, Burst):
        return CAPTURED
    return EXPENDABLE if isinstance(message, Batch) and not urgent else WANTED


def _decoded(payload: bytes) -> Spooled | None:
    """What a row says; None where nobody could read it, which must hold up no other."""
    try:
        message = decode(payload)
    except RemoteProtocolError:
        return None
    return message if isinstance(message, Birth | Batch | Burst | Event) else None


def _is_sound(leaf: object, payload: object, kept_digest: object, birth: object) -> bool:
    """Whether a row reads back as it was written. A flipped bit may change a value's type as well."""
    if not isinstance(payload, bytes) or digest(payload) != kept_digest:
        return False
    return leaf in range(len(LEAVES)) and (birth is None or (isinstance(birth, bytes) and len(birth) == 32))


def row_bytes(payload: int) -> int:
    """About what a row takes of the file: a payload beyond a quarter page fills pages of its own."""
    if payload <= PAGE // 4:
        return payload + ROW_BYTES
    return -(-(payload + ROW_BYTES) // PAGE) * PAGE


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        file = path.stat()
    except OSError:
        return None
    return file.st_dev, file.st_ino
