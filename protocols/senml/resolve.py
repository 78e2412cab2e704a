"""What the records of a pack stand for (RFC 8428, 4.5 and 4.6)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from protocols.errors import RemoteProtocolError
from protocols.senml.numbers import Number, add
from protocols.senml.record import MAX_TEXT, VERSION, Record, Value

RELATIVE_BELOW = 2**28  # seconds; 4.5.3: below it a time is relative to now
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*\Z")  # 4.5.1


@dataclass(frozen=True, slots=True)
class Measurement:
    """One record with its base applied. `value` is None where only a sum was sent; `unit` where none was.

    `time` is in seconds, as the sender meant it: since 1970 in UTC, or relative to the moment of receipt.
    """

    name: str
    unit: str | None
    value: Value | None
    sum: Number | None
    time: Number
    update_time: Number | None

    @property
    def relative(self) -> bool:
        return self.time < RELATIVE_BELOW

    def at(self, now: Number) -> Number:
        """Seconds since 1970 in UTC, for a pack received at `now`."""
        return add(now, self.time) if self.relative else self.time


@dataclass(slots=True)
class _Base:
    """The base in force: each field holds until a later record brings it again."""

    name: str = ""
    time: Number = 0
    unit: str | None = None
    value: Number = 0
    sum: Number | None = None
    version: int = field(default=VERSION)

    def take(self, record: Record) -> None:
        self.name = self.name if record.base_name is None else record.base_name
        self.time = self.time if record.base_time is None else record.base_time
        self.unit = self.unit if record.base_unit is None else record.base_unit
        self.value = self.value if record.base_value is None else record.base_value
        self.sum = self.sum if record.base_sum is None else record.base_sum
        if record.base_version is not None and record.base_version > VERSION:
            raise RemoteProtocolError(f"version {record.base_version} of SenML; {VERSION} is the last that we know")


def resolve(records: Iterable[Record]) -> list[Measurement]:
    """The measurements of a pack, in the order sent. Raises RemoteProtocolError with the number of the record, from 1.

    4.6 wants them in time order: `sorted(..., key=lambda m: m.at(now))`. A pack is taken whole or not at all.
    """
    base = _Base()
    found = []
    for number, record in enumerate(records, 1):
        try:
            base.take(record)
            if not record.only_base:
                found.append(_measurement(base, record))
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"record {number}: {error}") from None
    return found


def _measurement(base: _Base, record: Record) -> Measurement:
    name = base.name + (record.name or "")
    if len(name) > MAX_TEXT or not _NAME.match(name):
        raise RemoteProtocolError(
            f"name {name[:80]!r}: letters, digits and -:./_ behind a letter or digit (RFC 8428, 4.5.1)"
        )
    value = record.value
    if value is None and record.sum is None:
        raise RemoteProtocolError(f"{name!r} has neither a value nor a sum")
    if value is not None and not isinstance(value, bool | str | bytes):
        value = add(base.value, value)
    total = record.sum
    if base.sum is not None:
        total = add(base.sum, record.sum or 0)
    return Measurement(
        name=name,
        unit=base.unit if record.unit is None else record.unit,
        value=value,
        sum=total,
        time=add(base.time, record.time or 0),
        update_time=record.update_time,
    )
