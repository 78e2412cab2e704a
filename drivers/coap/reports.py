"""What a pack of SenML says of the devices we know: reports for the gateway, or what the sender is to be told. Pure.

A pack is taken whole or not at all.
"""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from drivers.base import Reading, Readings, Report
from drivers.coap.model import SenmlModel
from protocols.senml.resolve import Measurement

MAX_AHEAD_MS = 300_000  # how far a sender's clock may run before ours; the server takes no more either
CLOCK_SET_MS = 1_767_225_600_000  # 2026-01-01: before it our own clock has not been set
MAX_MOMENTS = 1000  # the pipeline keeps 1200 ticks of a device between two drains,
DRAINED_MS = 2000  # which are a second apart, or a little more where the gateway is busy
SEPARATORS = ":/.-_"

Records: TypeAlias = list[tuple[str, Measurement]]  # by their names below the device's


class Unusable(Exception):
    """A pack that is not taken; the message is for its sender."""


class UnknownSender(Unusable):
    """It names no device that is expected."""


class NotItsOwn(Unusable):
    """It speaks for another device than the one that proved to send it."""


class ClockUnset(Unusable):
    """It tells the time, and we do not know it: the same pack may be taken later."""


class TooFast(Unusable):
    """It has sent as much as can be passed on for now: the same pack may be taken later."""


@dataclass
class _Known:
    model: SenmlModel
    newest: dict[int, int] = field(default_factory=dict)  # by channel: the newest absolute time taken, in ms
    recent: deque[tuple[int, int]] = field(default_factory=deque)  # when and how many moments, within DRAINED_MS

    def refuse_flood(self, moments: int, now_ms: int) -> None:
        """Raises TooFast."""
        while self.recent and not 0 <= now_ms - self.recent[0][0] < DRAINED_MS:  # nor after a clock that was set back
            self.recent.popleft()
        if sum(count for _, count in self.recent) + moments > MAX_MOMENTS:
            raise TooFast(f"more than {MAX_MOMENTS} times within {DRAINED_MS // 1000} s; send this again later")


class ReportReader:
    """`models` by unit, which is what the names of a device's records begin with.

    Records that are sent again in later packs are left out: by their absolute times, for relative ones differ each
    time.
    """

    def __init__(self, models: Mapping[str, SenmlModel]) -> None:
        self._known = {unit: _Known(model) for unit, model in models.items()}
        self._longest_first = sorted(models, key=len, reverse=True)

    def units(self, pack: Sequence[Measurement], sender: str | None, at: str | None) -> dict[str, Records]:
        """The records of a pack by the device they are of. Raises Unusable.

        `sender` is the unit that proved to send it, if any did; `at` the unit whose own resource it was sent to.
        """
        found: dict[str, Records] = {}
        for measurement in pack:
            unit, record = self._place(measurement.name, at)
            if sender is not None and unit != sender:
                raise NotItsOwn(f"{measurement.name}: you are known as {sender}")
            found.setdefault(unit, []).append((record, measurement))
        return found

    def read(self, units: Mapping[str, Records], now_ms: int, reception: bytes) -> list[Report]:
        """One report for each device. Raises Unusable.

        `now_ms` is UTC. `reception` names this reception, for packs that do not differ when the same is measured again.
        """
        drafts = [(unit, records, self._moments(unit, records, now_ms)) for unit, records in units.items()]
        for unit, _, moments in drafts:
            self._known[unit].refuse_flood(len(moments), now_ms)
        for unit, _, moments in drafts:
            self._known[unit].recent.append((now_ms, len(moments)))
        return [self._report(unit, moments, now_ms, _identity(records, reception)) for unit, records, moments in drafts]

    def _place(self, name: str, at: str | None) -> tuple[str, str]:
        """Whose record this is, and its name below the device's."""
        for unit in self._longest_first:
            rest = name[len(unit) :]
            if name.startswith(unit) and (not rest or rest[0] in SEPARATORS or unit[-1] in SEPARATORS):
                return unit, rest[1:] if rest[:1] and rest[0] in SEPARATORS else rest
        if at is not None:
            return at, name
        raise UnknownSender(f"{name}: no device of that name is expected here")

    def _moments(self, unit: str, records: Records, now_ms: int) -> dict[tuple[int, bool], list[Reading]]:
        """Readings by the UTC they were measured at, and whether the sender said that itself."""
        model = self._known[unit].model
        moments: dict[tuple[int, bool], list[Reading]] = {}
        for record, measurement in records:
            for index in model.by_record.get(record, ()):
                entry = model.entries[index]
                value = measurement.sum if entry.field == "sum" else measurement.value
                if value is None:
                    continue
                if isinstance(value, bytes):
                    raise Unusable(f"{measurement.name}: data cannot be {entry.told.channel.name}; send a number")
                if measurement.unit is not None and measurement.unit != entry.sent_unit:
                    raise Unusable(f"{measurement.name}: the unit is {measurement.unit!r}, not {entry.sent_unit!r}")
                at = _time_ms(measurement, now_ms), not measurement.relative
                moments.setdefault(at, []).append(entry.told.reading(index, value))
        if not moments:
            expected = ", ".join(sorted(model.by_record))
            raise Unusable(f"nothing that a {model.name} measures is named here; its records are {expected}")
        if len(moments) > MAX_MOMENTS:
            raise Unusable(f"{len(moments)} times in one pack; {MAX_MOMENTS} are allowed")
        return moments

    def _report(
        self, unit: str, moments: Mapping[tuple[int, bool], list[Reading]], now_ms: int, identity: bytes
    ) -> Report:
        newest = self._known[unit].newest
        taken = []
        for (time_ms, absolute), readings in sorted(moments.items(), key=lambda item: item[0]):
            fresh = {
                reading.channel: reading
                for reading in readings
                if not absolute or time_ms > newest.get(reading.channel, time_ms - 1)
            }
            if absolute:
                newest.update(dict.fromkeys(fresh, time_ms))
            if fresh:
                taken.append((now_ms - time_ms, Readings.of(fresh.values())))
        return Report(unit, identity, tuple(taken))


def _identity(records: Records, reception: bytes) -> bytes:
    digest = hashlib.sha256(repr([(m.name, m.time, m.value, m.sum) for _, m in records]).encode())
    if any(measurement.relative for _, measurement in records):
        digest.update(reception)
    return digest.digest()


def _time_ms(measurement: Measurement, now_ms: int) -> int:
    if not measurement.relative and now_ms < CLOCK_SET_MS:
        raise ClockUnset("this gateway's clock is not set yet; send times relative to now, or try again later")
    at = round(measurement.at(Decimal(now_ms) / 1000) * 1000)
    if at > now_ms + MAX_AHEAD_MS:
        raise Unusable(f"{measurement.name}: {(at - now_ms) // 1000} s in the future; is your clock right?")
    if at < 0:
        raise Unusable(f"{measurement.name}: a time before 1970")
    return at
