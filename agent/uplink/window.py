"""What was sent and is not answered: what may be sent now, what again, what a fork needs. Pure; `now` in seconds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.spool.records import Row
from protocols.edge.messages import AckRange, acknowledgement_digest

WINDOW_BYTES = 1 << 20  # unanswered payload: at 100 ms a round trip, 10 MB/s
RESEND_S = 10.0
SLOWER, LONGEST = 4, 6  # times the usual time to an answer, and a row counts as lost; at most times RESEND_S
PROBE_BYTES = 32 << 10  # sent again while nobody answers at all: the rest waits for a sign of life


@dataclass
class _Sent:
    row: Row
    first: float
    at: float
    outlived: bool = False  # a silence or a pause of the server: its answer says nothing of how long answers take


class Window:
    """Rows in flight since this connection began.

    After a `fork`, rows that the server holds other bytes for must be numbered anew, in a new incarnation, and rows
    that it stored must not, or they would be stored twice. So every row that may ever have been sent is sent until it
    is answered, and none beyond; is_forked() then says that all are.
    """

    def __init__(self, limit: int = WINDOW_BYTES, resend_s: float = RESEND_S) -> None:
        self.cursor = 0  # the highest seq that was sent in order on this connection
        self._limit = limit
        self._resend_s = resend_s
        self._sent: dict[int, _Sent] = {}
        self._bytes = 0
        self._latency = 0.0  # smoothed, of answers
        self._oldest = math.inf  # no row was sent before
        self._waiting: dict[int, list[int]] = {}  # by the seq of a birth: rows that the server cannot read without it
        self._paused_until = -math.inf
        self._heard = -math.inf
        self.is_answered = False  # on this connection
        self._probed = -math.inf
        self._ever = 0  # the highest seq that may have been sent, on any connection
        self._forking = False
        self._forked: set[int] = set()

    @property
    def _patience(self) -> float:
        """How long an answer may take. A server that is slow, but answers, is not helped by hearing all twice."""
        return min(max(self._resend_s, SLOWER * self._latency), LONGEST * self._resend_s)

    @property
    def in_flight(self) -> int:
        return len(self._sent)

    def fit(self, limit: int, resend_s: float) -> None:
        """To the link of the connection that is to come."""
        self._limit, self._resend_s = limit, resend_s

    def may_have_been_sent(self, seq: int) -> None:
        self._ever = max(self._ever, seq)

    def connected(self, now: float) -> None:
        """Everything unanswered is to be sent again, in order."""
        self.cursor = 0
        self._sent.clear()
        self._bytes = 0
        self._oldest = math.inf
        self._waiting.clear()
        self._heard = now
        self.is_answered = False

    def incarnated(self) -> None:
        """New numbers: nothing of them was ever sent."""
        self.connected(self._heard)
        self._ever = 0
        self._forking = False
        self._forked.clear()

    def pause(self, until: float) -> None:
        self._paused_until = max(self._paused_until, until)

    def room(self, now: float) -> int:
        """Bytes that may be sent now. Before the first answer few: a server that does not answer may have them all, and
        what may have been sent can never be said in fewer words (agent.spool.thinning)."""
        limit = self._limit if self.is_answered else min(self._limit, PROBE_BYTES)
        return 0 if now < self._paused_until else max(0, limit - self._bytes)

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def is_forking(self) -> bool:
        return self._forking

    def fresh(self, rows: Sequence[Row]) -> list[Row]:
        """Those that are not in flight."""
        return [row for row in rows if row.seq not in self._sent]

    def admit(self, rows: Sequence[Row]) -> list[Row]:
        """Those of the rows read behind the cursor that are to be sent now, for the first time on this connection."""
        chosen: list[Row] = []
        for row in rows:
            if self._forking and row.seq > self._ever:
                break
            self.cursor = row.seq
            if row.seq not in self._sent and row.seq not in self._forked:
                chosen.append(row)
        return chosen

    def sent(self, row: Row, now: float) -> None:
        self._ever = max(self._ever, row.seq)
        self._oldest = min(self._oldest, now)
        known = self._sent.get(row.seq)
        if known is None:
            self._bytes += len(row.payload)
            self._sent[row.seq] = _Sent(row, now, now)
        else:
            known.at = now

    def due(self, now: float) -> list[Row]:
        """Rows to be sent again, in order. While nobody answers, only the oldest few: the rest would be waste."""
        if now < self.next_due(now):
            return []
        rows = [one.row for _, one in sorted(self._sent.items()) if one.at + self._patience <= now]
        self._oldest = min((one.at for one in self._sent.values()), default=math.inf)
        if self._is_heard(now):
            return rows
        self._probed = now
        size, probes = 0, list[Row]()
        for row in rows:
            size += len(row.payload)
            if probes and size > PROBE_BYTES:
                break
            probes.append(row)
        return probes

    def next_due(self, now: float) -> float:
        """Before then, due() has nothing, and room() does not grow by itself."""
        due = self._oldest + self._patience
        if not self._is_heard(now):
            due = max(due, self._probed + self._patience)
        return max(due, self._paused_until)

    def covers(self, one: AckRange) -> list[Row] | None:
        """The rows of a range whose digest is that of the bytes in flight; None for any other range."""
        if one.last - one.first >= len(self._sent):
            return None
        rows = [self._sent[seq].row for seq in range(one.first, one.last + 1) if seq in self._sent]
        if len(rows) <= one.last - one.first or acknowledgement_digest([row.digest for row in rows]) != one.digest:
            return None
        return rows

    def heard(self, now: float) -> None:
        """The server answered: whatever is overdue is worth sending again.

        After a silence all is overdue but the last few that were tried: a server that was away heard none of it.
        """
        if self._sent and not self._is_heard(now):
            asked = min(one.first for one in self._sent.values())
            if max(self._heard, asked) + self._patience <= now:
                for one in self._sent.values():
                    one.outlived = True
                    if one.at < self._probed:
                        one.at = self._oldest = -math.inf
        self._heard = now
        self.is_answered = True

    def answered(self, seqs: Iterable[int], now: float) -> None:
        for seq in seqs:
            sent = self._sent.pop(seq, None)
            if sent is not None:
                self._bytes -= len(sent.row.payload)
                if not sent.outlived:
                    self._latency += (now - sent.first - self._latency) / 8
            for waiting in self._waiting.pop(seq, ()):
                if waiting in self._sent:
                    self._sent[waiting].at = self._oldest = -math.inf

    def needs_birth(self, rows: Iterable[Row], birth: int) -> None:
        """Rows that the server could not read: to be sent again when the birth is answered, or after the usual time."""
        self._waiting.setdefault(birth, []).extend(row.seq for row in rows)

    def postpone(self, rows: Iterable[Row], until: float) -> None:
        """Rows that the server does not take now: to be sent again then."""
        for row in rows:
            sent = self._sent[row.seq]
            sent.at = max(sent.at, until - self._patience)
            sent.outlived = True

    def forked(self, rows: Iterable[Row], now: float) -> None:
        """Rows under whose seq the server holds other bytes. From now on all rows are sent in order of seq."""
        if not self._forking:
            self._forking, self.cursor = True, 0
        seqs = [row.seq for row in rows]
        self._forked.update(seqs)
        self.answered(seqs, now)

    def is_forked(self, next_row: Row | None) -> bool:
        """Whether it is time for a new incarnation; `next_row` is the one behind the cursor."""
        return self._forking and not self._sent and (next_row is None or next_row.seq > self._ever)

    def _is_heard(self, now: float) -> bool:
        return self._heard + self._patience > now
