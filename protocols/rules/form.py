"""What a rule is, as values. Times are ms, thresholds in the channel's unit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from protocols.edge.requirement import Requirement


class Op(StrEnum):
    ABOVE = "above"
    BELOW = "below"
    EQUALS = "equals"


class Missing(StrEnum):
    """What a comparison says while its channel has no good value that is young enough."""

    UNKNOWN = "unknown"  # neither: the rule neither fires nor clears by it, `not` included
    HOLD = "hold"  # what it said last
    FALSE = "false"
    TRUE = "true"


@dataclass(frozen=True)
class Compare:
    """ABOVE turns true when the value is above `on`, and false when it is at or below `back`, which is at most `on`;
    BELOW is the mirror of it; EQUALS knows no `back`. In between it says what it said before.

    With `rate`, the value is the change per second between two good values. A good value counts until it is older than
    `max_age_ms`; None leaves the age to whoever knows the channel's period (`with_ages`). Uncertain values count as
    missing ones unless `uncertain`.
    """

    device: str
    channel: str
    op: Op
    on: float
    back: float
    rate: bool = False
    missing: Missing = Missing.UNKNOWN
    uncertain: bool = False
    max_age_ms: int | None = None


@dataclass(frozen=True)
class AtLeast:
    """`count` or more of the parts are true: all of them where it is their number, any of them where it is 1."""

    count: int
    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class Not:
    part: "Condition"


Condition: TypeAlias = Compare | AtLeast | Not


@dataclass(frozen=True)
class Tell:
    """An event of this kind when the rule fires, and one when it clears."""

    kind: str
    severity: int


@dataclass(frozen=True)
class Write:
    """A command when the rule fires: not begun later than `expires_ms` after it, and only where `requires` holds."""

    device: str
    channel: str
    value: Decimal
    expires_ms: int
    requires: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class Capture:
    """What channels of a device were read as, before any filter, from `before_ms` before the rule fires until
    `after_ms` after it."""

    device: str
    channels: tuple[str, ...]
    before_ms: int
    after_ms: int


@dataclass(frozen=True)
class Rule:
    """Fires once `when` has been true for `hold_ms`; clears once it has been false for `clear_ms`, and only then can
    fire again; between two firings lie `repeat_ms` at least: a firing that comes sooner waits while `when` is true."""

    name: str
    when: Condition
    tells: tuple[Tell, ...] = ()
    writes: tuple[Write, ...] = ()
    hold_ms: int = 0
    clear_ms: int = 0
    repeat_ms: int = 0
    captures: tuple[Capture, ...] = ()


def compares(condition: Condition) -> Iterator[Compare]:
    """The comparisons of a condition, from left to right."""
    match condition:
        case Compare():
            yield condition
        case AtLeast():
            for part in condition.parts:
                yield from compares(part)
        case Not():
            yield from compares(condition.part)


def with_ages(rule: Rule, age_ms: Callable[[str, str], int]) -> Rule:
    """The rule with an age limit at every comparison that states none; `age_ms` knows device and channel."""
    return replace(rule, when=_with_ages(rule.when, age_ms))


def _with_ages(condition: Condition, age_ms: Callable[[str, str], int]) -> Condition:
    match condition:
        case Compare(max_age_ms=None):
            return replace(condition, max_age_ms=age_ms(condition.device, condition.channel))
        case AtLeast():
            return replace(condition, parts=tuple(_with_ages(part, age_ms) for part in condition.parts))
        case Not():
            return Not(_with_ages(condition.part, age_ms))
    return condition
