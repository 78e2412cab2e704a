"""Whether what a person says of a replacement can be: by itself, beside the readings, beside what is recorded. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fleet_server.domains.metering.models import BEIJING, LONGEST, Replacement
from fleet_server.domains.metering.readings import COUNTED, Reading, passage, value_of
from fleet_server.ingest.rollups import from_ms, to_ms
from fleet_server.kernel.errors import Conflict, Invalid
from fleet_server.kernel.ports import ChannelNow

MOST_DIGITS = 18
MOST_TEXT = {"note": 500, "removed_serial": 64, "fitted_serial": 64}
_UNWRITTEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Recorded:
    """What a person says of a replacement."""

    channel: str
    at: datetime
    end: Decimal
    start: Decimal
    note: str = ""
    removed_serial: str = ""
    fitted_serial: str = ""


def check_recorded(new: Recorded, now: datetime) -> None:
    """What can be told without the readings; Invalid, with all faults at once."""
    wrong = {}
    if new.at.tzinfo is None:
        wrong["at"] = "with its zone, as in 2026-03-01T12:00:00+08:00"
    elif new.at > now:
        wrong["at"] = "not in the future"
    elif new.at < now - LONGEST:
        wrong["at"] = f"not more than {LONGEST.days} days ago: no readings older than that are taken"
    for name, value in (("end", new.end), ("start", new.start)):
        if not _is_plain(value):
            wrong[name] = f"a number from 0 on, of at most {MOST_DIGITS} digits"
    for name, most in MOST_TEXT.items():
        text = getattr(new, name)
        if len(text) > most or _UNWRITTEN.search(text):
            wrong[name] = f"at most {most} characters, none of control"
    if wrong:
        raise _invalid(wrong)


def neighbours(
    at: int, before: Reading | None, after: Reading | None, others: Iterable[Replacement]
) -> tuple[Reading | None, Reading | None]:
    """What was read on either side of the moment, by the counter or by a person who replaced it."""
    for other in others:
        if other.t < at and (before is None or before.t < other.t):
            before = Reading(other.t, other.start, None)
        if other.t > at and (after is None or after.t >= other.t):
            after = Reading(other.t, other.end, None)
    return before, after


def check_against_readings(new: Recorded, before: Reading | None, after: Reading | None, counter: ChannelNow) -> None:
    """`before` and `after` are its `neighbours`; Invalid where they cannot be what was said."""
    wrong = {}
    rollovers = counter.rollovers
    size = max((value_of(count, scale) for scale, count in rollovers.items()), default=None)
    for name, value in (("end", new.end), ("start", new.start)):
        if size is not None and value >= size:
            wrong[name] = f"below {size:f}, where the counter begins again"
    end, start = (Reading(to_ms(new.at), value, None) for value in (new.end, new.start))
    if before and "end" not in wrong and passage(before, end, rollovers).way not in COUNTED:
        wrong["end"] = _beside("one that follows", before, counter.unit)
    if after and "start" not in wrong and passage(start, after, rollovers).way not in COUNTED:
        wrong["start"] = _beside("one that leads to", after, counter.unit)
    if wrong:
        raise _invalid(wrong)


def check_not_twice(
    new: Recorded, others: Iterable[Replacement], before: Reading | None, after: Reading | None
) -> None:
    """Conflict where one of `others`, those of the channel in force, tells of the same replacement. `before` and
    `after` are the counter's own readings."""
    low, high = before.t if before else -(2**62), after.t if after else 2**62
    for other in others:
        same_figures = low < other.t <= high and (other.end, other.start) == (new.end, new.start)
        if other.at == new.at or same_figures:
            raise Conflict(
                f"It is recorded already, at {other.at.astimezone(BEIJING).isoformat()}: correct that one.",
                fields={"at": "recorded already"},
            )


def _is_plain(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    return isinstance(exponent, int) and value >= 0 and -MOST_DIGITS <= exponent <= 0 and len(digits) <= MOST_DIGITS


def _beside(what: str, reading: Reading, unit: str) -> str:
    moment = from_ms(reading.t).astimezone(BEIJING).isoformat(timespec="milliseconds")
    return f"{what} the reading {reading.value:f} {unit} of {moment}".replace("  ", " ")


def _invalid(wrong: Mapping[str, str]) -> Invalid:
    said = "; ".join(f"{name}: {what}" for name, what in wrong.items())
    return Invalid(f"The replacement cannot be so: {said}.", fields=wrong)
