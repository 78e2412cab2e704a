"""One sensor's side of CoAP: what it sends and when, and what it keeps until it was taken. No sockets in here."""

from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from protocols.senml.cbor_form import CONTENT_FORMAT, encode_cbor
from protocols.senml.record import Record, Value
from sim_devices.clock import Now
from sim_devices.coap.device import SenmlDevice
from sim_devices.coap.message import Message, Type, post
from sim_devices.faults import Faults, Send, distort
from sim_devices.models.base import Unit

# RFC 7252, 4.8
ACK_TIMEOUT_S = 2.0
ACK_RANDOM_FACTOR = 1.5
MAX_RETRANSMIT = 4
KEPT = 100  # moments that were not taken yet
MOMENTS = 20  # in one message: it stays below the 1024 bytes that need no blocks
EVERY_S = 10.0
CHANGED, SERVICE_UNAVAILABLE = 2 << 5 | 4, 5 << 5 | 3


class SenmlAnswer(NamedTuple):
    """A sim_devices.faults.Answer, though nobody asked."""

    message: Message
    other: Message

    def whole(self) -> bytes:
        return self.message.encode()

    def spoiled(self) -> bytes:
        """CoAP has no checksum of its own, so it is the pack that is spoilt."""
        return replace(self.message, payload=self.message.payload[:-1]).encode()

    def misaddressed(self) -> bytes:
        return self.other.encode()


class _Moment(NamedTuple):
    time_ms: int
    measured: dict[str, Value]


class Sender:
    """`look` is called about once a second; what it and `heard` give is to be sent.

    A report is sent until it is acknowledged, four times more at the most, and then again with the next: a gateway
    that is away for long costs the oldest moments beyond KEPT.
    """

    def __init__(self, unit: Unit, device: SenmlDevice, faults: Faults, rng: np.random.Generator) -> None:
        self.unit, self.device = unit, device
        self.sent = self.taken = self.refused = 0
        self._faults = faults
        self._rng = rng
        self._waiting: deque[_Moment] = deque(maxlen=KEPT)
        self._message_id = int(rng.integers(0, 1 << 16))
        self._due = 0.0
        self._before: dict[str, Value] = {}
        self._flying: tuple[Message, list[_Moment]] | None = None
        self._tries = 0
        self._again_at = 0.0
        self._timeout = 0.0

    def look(self, now: Now) -> list[Send]:
        """What is due at this moment: a measurement, a report, a repetition."""
        measured = self.device.measured()
        urgent = bool(self._before) and self.device.is_urgent(self._before, measured)
        self._before = measured
        if measured and (urgent or now.monotonic >= self._due):
            self._due = now.monotonic + EVERY_S
            self._waiting.append(_Moment(now.wall_ms, measured))
        if self._flying is None:
            return self._report(now) if self._waiting else []
        if now.monotonic < self._again_at:
            return []
        if self._tries > MAX_RETRANSMIT:
            return self._report(now)  # given up: a new message, with what was measured meanwhile
        return self._fly(now)

    def heard(self, message: Message, now: Now) -> list[Send]:
        """An answer; those to what is not under way any more are late, and ignored."""
        if self._flying is None or message.token != self._flying[0].token or message.id != self._flying[0].id:
            return []
        (_, moments), self._flying = self._flying, None
        if message.code == SERVICE_UNAVAILABLE:
            return []
        if message.code == CHANGED:
            self.taken += len(moments)
        else:
            self.refused += len(moments)  # it will be refused again: what is wrong with it stays wrong
        while self._waiting and self._waiting[0].time_ms <= moments[-1].time_ms:
            self._waiting.popleft()
        return self._report(now) if len(self._waiting) > 1 else []

    def _report(self, now: Now) -> list[Send]:
        moments = list(self._waiting)[:MOMENTS]
        self._message_id = (self._message_id + 1) & 0xFFFF
        self._flying = self._message(self.unit, moments), moments
        self._tries = 0
        self._timeout = ACK_TIMEOUT_S * float(self._rng.uniform(1.0, ACK_RANDOM_FACTOR))
        return self._fly(now)

    def _fly(self, now: Now) -> list[Send]:
        assert self._flying is not None  # noqa: S101
        self._again_at = now.monotonic + self._timeout
        self._timeout *= 2
        self._tries += 1
        self.sent += 1
        message, moments = self._flying
        other = self._message(f"{self.unit}x", moments)
        fault = self._faults.strike(self.device.code, now.monotonic)
        return distort(fault, SenmlAnswer(message, other), self._faults)

    def _message(self, unit: Unit, moments: list[_Moment]) -> Message:
        records: list[Record] = []
        for moment in moments:
            records += self.device.records(unit, moment.measured, moment.time_ms)
        token = self._message_id.to_bytes(2, "big")
        return post(self._message_id, token, "senml", CONTENT_FORMAT, encode_cbor(records), Type.CON)
