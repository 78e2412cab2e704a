"""Messages to spool, and acknowledgements of what was spooled."""

from collections.abc import Sequence

import numpy as np

from agent.spool.records import Row
from protocols.edge.burst import Waveform
from protocols.edge.columns import I32LE, Column, Group
from protocols.edge.messages import (
    AckRange,
    AckStatus,
    Batch,
    Birth,
    Burst,
    Clock,
    ClockState,
    Event,
    Origin,
    acknowledgement_digest,
    digest,
)

GATEWAY = "D1101149001000077A"


def origin() -> Origin:
    return Origin(GATEWAY, 0, 0, bytes(16), 1000, Clock(ClockState.FREE_RUNNING, 100))


def event(number: int, size: int = 0) -> Event:
    return Event(origin(), 1_700_000_000_000, "test", GATEWAY, 1, {"number": number, "fill": bytes(size)})


def batch(number: int, values: int = 4, birth: bytes = bytes(32)) -> Batch:
    column = Column(7, I32LE, np.full(values, number, np.int32), np.ones(values, bool), -1)
    group = Group(np.arange(values, dtype=np.int64), (column,))
    return Batch(origin(), birth, 1_700_000_000_000, (group,))


def burst(number: int, values: int = 4) -> Burst:
    group = Group(1000 * np.arange(values, dtype=np.int64), batch(number, values).groups[0].columns)
    waveform = Waveform(bytes(32), 1_700_000_000_000_000, group, number.to_bytes(16), "rule", 0, 1000)
    return Burst(origin(), waveform)


def birth(description: bytes) -> Birth:
    return Birth(origin(), description)


def acknowledge(rows: Sequence[Row], status: AckStatus = AckStatus.STORED) -> AckRange:
    value = acknowledgement_digest([digest(row.payload) for row in rows])
    return AckRange(rows[0].seq, rows[-1].seq, status, value)
