"""What is read from the spool next: births, alarms, live data, captures, and only then what waited. Pure.

Each lane has its own place on a connection, so a lane that is behind holds up none before it. The server orders by
seq and source time, never by arrival (docs/protocols/edge.md), but every stretch that is sent out of order is a hole
in what it has received until it is filled, and it takes so many and no more: hence the limits here.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from agent.spool.records import Row, Want
from agent.spool.store import BIRTH, CAPTURED, EXPENDABLE, THINNED, WANTED
from protocols.edge.messages import MAX_SEQ

AHEAD = 1000  # old alarms that are sent before the data between them; fleet_server.ingest.cursor.MAX_HOLES is 4096
BEHIND = 256  # messages not sent yet, and live data is live no more
FRESH = 32  # of them are kept in the live lane
MOST_STRETCHES = 64  # of old data between stretches that were sent live
CLAIM_AHEAD = 64  # the disk notes what is about to be sent once for so many messages


class Lane(IntEnum):
    BIRTHS = 0
    ALARMS = 1  # and all other events
    LIVE = 2
    CAPTURES = 3  # behind what they would hold up: one may be as large as minutes of live data
    HISTORY = 4


class Turn(NamedTuple):
    lane: Lane
    want: Want


class Lanes:
    def __init__(self) -> None:
        self.connected(1)

    def connected(self, next_seq: int) -> None:
        """All that is kept is to be sent; what is put from now on is live."""
        self._births = 0
        self._old_alarms, self._alarms = 0, next_seq - 1
        self._split = next_seq - 1
        self._live = next_seq - 1
        self._stretches = deque([(0, next_seq - 1)] if next_seq > 1 else [])  # (after, until) of old data
        self._captures = 0
        self._thinned = 0
        self._ahead: list[int] = []  # a heap: old alarms that were sent before the data in front of them

    def turns(
        self, next_seq: int, lanes: frozenset[Lane], room: int, history_room: int, ahead: int = CLAIM_AHEAD
    ) -> list[Turn]:
        """What to read, the first first; of `lanes` alone. `room` is in bytes, `history_room` that of HISTORY."""
        if next_seq - 1 - self._live > BEHIND:
            until = next_seq - 1 - FRESH
            if self._stretches and self._stretches[-1][1] == self._live:  # nothing was sent in between
                self._stretches[-1] = (self._stretches[-1][0], until)
                self._live = until
            elif len(self._stretches) < MOST_STRETCHES:
                self._stretches.append((self._live, until))
                self._live = until
        while self._ahead and (not self._stretches or self._ahead[0] <= self._stretches[0][0]):
            heapq.heappop(self._ahead)
        turns = [Turn(Lane.BIRTHS, Want(BIRTH, self._births, MAX_SEQ, room, 0))]
        if self._old_alarms < self._split and len(self._ahead) < AHEAD:
            turns.append(Turn(Lane.ALARMS, Want(WANTED, self._old_alarms, self._split, room, 0)))
        turns.append(Turn(Lane.ALARMS, Want(WANTED, self._alarms, MAX_SEQ, room, 0)))
        turns.append(Turn(Lane.LIVE, Want(EXPENDABLE, self._live, MAX_SEQ, room, ahead)))
        turns.append(Turn(Lane.CAPTURES, Want(CAPTURED, self._captures, MAX_SEQ, room, 0)))
        for after, until in self._stretches:
            turns.append(Turn(Lane.HISTORY, Want(EXPENDABLE, after, until, history_room, ahead)))
        turns.append(Turn(Lane.HISTORY, Want(THINNED, self._thinned, MAX_SEQ, history_room, 0)))
        return [turn for turn in turns if turn.lane in lanes and turn.want.most_bytes > 0]

    def read(self, turns: Sequence[Turn], place: int) -> None:
        """All turns before `place` found nothing."""
        for lane, want in turns[:place]:
            if lane is Lane.HISTORY and want.keep == EXPENDABLE:
                self._stretches.remove((want.after, want.until))
            elif lane is Lane.ALARMS and want.until != MAX_SEQ:
                self._old_alarms = self._split

    def took(self, turn: Turn, rows: Sequence[Row]) -> None:
        """Of what the turn found, `rows` are sent."""
        last = rows[-1].seq if rows[-1].place is None else rows[-1].place
        match turn:
            case Turn(Lane.BIRTHS, _):
                self._births = last
            case Turn(Lane.ALARMS, want) if want.until != MAX_SEQ:
                self._old_alarms = last
                for row in rows:
                    heapq.heappush(self._ahead, row.seq)
            case Turn(Lane.ALARMS, _):
                self._alarms = last
            case Turn(Lane.LIVE, _):
                self._live = last
            case Turn(Lane.CAPTURES, _):
                self._captures = last
            case Turn(Lane.HISTORY, want) if want.keep == EXPENDABLE:
                self._stretches[self._stretches.index((want.after, want.until))] = (last, want.until)
            case _:
                self._thinned = last
