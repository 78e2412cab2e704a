"""A rule as maps, arrays, texts and numbers: as TOML and JSON give it, and as CBOR carries it.

Read strictly: an unknown key is an error, and every error knows its place. Written canonically: what is a default is
left out, so that equal rules have equal forms.
"""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from protocols.edge.cbor import is_text, is_whole
from protocols.edge.requirement import Requirement
from protocols.errors import RemoteProtocolError
from protocols.rules.form import AtLeast, Capture, Compare, Condition, Missing, Not, Op, Rule, Tell, Write

Path: TypeAlias = tuple[str | int, ...]
T = TypeVar("T")

MAX_TEXT = 64  # protocols.edge.messages: of a device, a channel, an event's kind
MAX_PARTS = 64  # of one condition
MAX_NESTING = 6  # levels of conditions; protocols.edge.cbor.MAX_DEPTH holds two of its own for each
MAX_ACTIONS = 16  # of each kind
MAX_REQUIREMENTS = 16  # protocols.edge.messages
MAX_SEVERITY = 4
MAX_NUMBER = 1e18
MAX_S = 30 * 86_400.0
EXPIRES_S = 30.0
WRITE_REPEAT_S = 10.0  # no rule drives an actuator more often, unless it says so
LEAST_WRITE_REPEAT_S = 1.0
CAPTURE_REPEAT_S = 60.0  # no rule fills a spool with waveforms, unless it says so
LEAST_CAPTURE_REPEAT_S = 10.0
MAX_CAPTURES = 4
MAX_CAPTURED = 16  # channels of one device; protocols.edge.burst.MAX_COLUMNS
MAX_SIDE_S = 900.0  # before a firing, and after it; protocols.edge.burst.MAX_AXIS_US holds both


class FormError(RemoteProtocolError):
    """What is wrong with a rule, at `path`. One of the `given` keys may be a misspelling of a `known` one."""

    def __init__(self, path: Path, message: str, given: tuple[str, ...] = (), known: tuple[str, ...] = ()) -> None:
        self.path = path
        self.message = message
        self.given = given
        self.known = known
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        super().__init__(f"{place or 'rule'}: {message}")


def from_plain(item: object) -> Rule:
    """Raises FormError."""
    fields = _Map(item, ())
    name = fields.text("name")
    when = _condition(fields.needed("when"), ("when",), MAX_NESTING)
    if (count := _size(when)) > MAX_PARTS:
        raise FormError(("when",), f"{count} conditions; one rule has at most {MAX_PARTS}")
    tells = fields.each("event", MAX_ACTIONS, _tell)
    writes = fields.each("write", MAX_ACTIONS, _write)
    captures = fields.each("capture", MAX_CAPTURES, _capture)
    least, usual = _repeat_s(bool(writes), bool(captures))
    rule = Rule(
        name,
        when,
        tells,
        writes,
        hold_ms=fields.ms("hold_s", 0.0),
        clear_ms=fields.ms("clear_s", 0.0),
        repeat_ms=fields.ms("repeat_s", usual, low=least),
        captures=captures,
    )
    if not tells and not writes and not captures:
        raise FormError((), "a rule that does nothing: give it an `event`, a `write` or a `capture`")
    fields.done()
    return rule


def to_plain(rule: Rule) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": rule.name, "when": _plain_condition(rule.when)}
    if rule.tells:
        plain["event"] = [{"kind": tell.kind, "severity": tell.severity} for tell in rule.tells]
    if rule.writes:
        plain["write"] = [_plain_write(write) for write in rule.writes]
    if rule.captures:
        plain["capture"] = [_plain_capture(capture) for capture in rule.captures]
    _, usual = _repeat_s(bool(rule.writes), bool(rule.captures))
    for key, ms, default in (
        ("hold_s", rule.hold_ms, 0.0),
        ("clear_s", rule.clear_ms, 0.0),
        ("repeat_s", rule.repeat_ms, usual),
    ):
        if ms != round(1000 * default):
            plain[key] = ms / 1000
    return plain


def _condition(item: object, path: Path, levels: int) -> Condition:
    if not levels:
        raise FormError(path, f"conditions nest at most {MAX_NESTING} deep")
    fields = _Map(item, path)
    condition: Condition
    if fields.has("not"):
        condition = Not(_condition(fields.needed("not"), (*path, "not"), levels - 1))
    elif fields.has("at_least"):
        parts = fields.each("of", MAX_PARTS, lambda part, at: _condition(part, at, levels - 1))
        condition = AtLeast(fields.whole("at_least", 1, max(1, len(parts))), parts)
        fields.refuse_empty("of", parts)
    elif (key := "all") in fields or (key := "any") in fields:
        parts = fields.each(key, MAX_PARTS, lambda part, at: _condition(part, at, levels - 1))
        fields.refuse_empty(key, parts)
        condition = AtLeast(len(parts) if key == "all" else 1, parts)
    else:
        return _compare(fields)
    fields.done()
    return condition


def _compare(fields: "_Map") -> Compare:
    given = [op for op in Op if fields.has(op.value)]
    if len(given) != 1:
        raise FormError(
            fields.path,
            "expected one of above, below and equals of a channel; or all, any, not, or at_least with of",
            given=fields.unasked(),
            known=(*(op.value for op in Op), "all", "any", "not", "at_least"),
        )
    op = given[0]
    on = fields.number(op.value)
    back = fields.number("back") if op is not Op.EQUALS and fields.has("back") else on
    if (op is Op.ABOVE and back > on) or (op is Op.BELOW and back < on):
        side = "above" if op is Op.ABOVE else "below"
        raise FormError((*fields.path, "back"), f"{back:g} lies {side} {on:g}: it would never come back")
    compare = Compare(
        device=fields.text("device"),
        channel=fields.text("channel"),
        op=op,
        on=on,
        back=back,
        rate=fields.flag("rate"),
        missing=Missing(fields.choice("missing", tuple(Missing), Missing.UNKNOWN)),
        uncertain=fields.flag("uncertain"),
        max_age_ms=fields.ms("max_age_s", 0.0, low=0.001) if fields.has("max_age_s") else None,
    )
    fields.done()
    return compare


def _tell(item: object, path: Path) -> Tell:
    fields = _Map(item, path)
    tell = Tell(fields.text("kind"), fields.whole("severity", 0, MAX_SEVERITY))
    fields.done()
    return tell


def _write(item: object, path: Path) -> Write:
    fields = _Map(item, path)
    write = Write(
        device=fields.text("device"),
        channel=fields.text("channel"),
        value=_exact(fields.number("value")),
        expires_ms=fields.ms("expires_s", EXPIRES_S, low=0.1),
        requires=fields.each("requires", MAX_REQUIREMENTS, _requirement),
    )
    fields.done()
    return write


def _capture(item: object, path: Path) -> Capture:
    fields = _Map(item, path)
    capture = Capture(
        device=fields.text("device"),
        channels=fields.texts("channels", MAX_CAPTURED),
        before_ms=fields.ms("before_s", 0.0, high=MAX_SIDE_S),
        after_ms=fields.ms("after_s", 0.0, high=MAX_SIDE_S),
    )
    if not capture.before_ms and not capture.after_ms:
        raise FormError(path, "a capture of no time: give it `before_s`, `after_s` or both")
    fields.done()
    return capture


def _repeat_s(writes: bool, captures: bool) -> tuple[float, float]:
    """The least there may be between two firings, and what there is unless it is said."""
    if captures:
        return LEAST_CAPTURE_REPEAT_S, CAPTURE_REPEAT_S
    return (LEAST_WRITE_REPEAT_S, WRITE_REPEAT_S) if writes else (0.0, 0.0)


def _requirement(item: object, path: Path) -> Requirement:
    fields = _Map(item, path)
    low, high = fields.number("low"), fields.number("high")
    if low > high:
        raise FormError((*path, "low"), f"{low:g} is above high, which is {high:g}")
    need = Requirement(fields.text("device"), fields.text("channel"), _exact(low), _exact(high))
    fields.done()
    return need


def _exact(number: float) -> Decimal:
    """The number that was typed: 0.1, not the binary fraction next to it."""
    return Decimal(repr(number))


def _size(condition: Condition) -> int:
    match condition:
        case AtLeast():
            return 1 + sum(map(_size, condition.parts))
        case Not():
            return 1 + _size(condition.part)
    return 1


def _plain_condition(condition: Condition) -> dict[str, Any]:
    match condition:
        case Not():
            return {"not": _plain_condition(condition.part)}
        case AtLeast():
            parts = [_plain_condition(part) for part in condition.parts]
            if condition.count == len(parts):
                return {"all": parts}
            return {"any": parts} if condition.count == 1 else {"at_least": condition.count, "of": parts}
    plain: dict[str, Any] = {
        "device": condition.device,
        "channel": condition.channel,
        condition.op.value: condition.on,
    }
    if condition.back != condition.on:
        plain["back"] = condition.back
    if condition.rate:
        plain["rate"] = True
    if condition.missing is not Missing.UNKNOWN:
        plain["missing"] = condition.missing.value
    if condition.uncertain:
        plain["uncertain"] = True
    if condition.max_age_ms is not None:
        plain["max_age_s"] = condition.max_age_ms / 1000
    return plain


def _plain_write(write: Write) -> dict[str, Any]:
    plain: dict[str, Any] = {"device": write.device, "channel": write.channel, "value": float(write.value)}
    if write.expires_ms != round(1000 * EXPIRES_S):
        plain["expires_s"] = write.expires_ms / 1000
    if write.requires:
        plain["requires"] = [
            {"device": need.device, "channel": need.channel, "low": float(need.low), "high": float(need.high)}
            for need in write.requires
        ]
    return plain


def _plain_capture(capture: Capture) -> dict[str, Any]:
    plain: dict[str, Any] = {"device": capture.device, "channels": list(capture.channels)}
    for key, ms in (("before_s", capture.before_ms), ("after_s", capture.after_ms)):
        if ms:
            plain[key] = ms / 1000
    return plain


class _Map:
    """A map with text keys, read key by key."""

    def __init__(self, item: object, path: Path) -> None:
        if not isinstance(item, Mapping):
            raise FormError(path, "expected a table")
        self.path = path
        self._items = item
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self.has(key)

    def has(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._items

    def needed(self, key: str) -> object:
        if not self.has(key):
            raise FormError(self.path, f"{key!r} is missing", given=self.unasked(), known=(key,))
        item: object = self._items[key]
        return item

    def text(self, key: str) -> str:
        value = self.needed(key)
        if not is_text(value, MAX_TEXT) or not value or not value.isprintable():
            raise self._bad(key, f"a text of at most {MAX_TEXT} characters in quotes")
        return value

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        """One at least, and none twice."""
        value = self.needed(key)
        if isinstance(value, str) or not isinstance(value, list | tuple) or not 0 < len(value) <= most:
            raise self._bad(key, f"an array of 1 to {most} texts")
        for place, one in enumerate(value):
            if not is_text(one, MAX_TEXT) or not one or not one.isprintable() or one in value[:place]:
                raise self._bad(key, f"an array of texts of at most {MAX_TEXT} characters, no two alike")
        return tuple(value)

    def number(self, key: str) -> float:
        value = self.needed(key)
        if type(value) not in (int, float) or not isinstance(value, int | float) or not abs(value) <= MAX_NUMBER:
            raise self._bad(key, f"a number within {MAX_NUMBER:g}")
        return float(value) + 0.0  # -0.0 is 0

    def whole(self, key: str, low: int, high: int) -> int:
        value = self.needed(key)
        if not is_whole(value, low, high):
            raise self._bad(key, f"a whole number from {low} to {high}")
        return value

    def flag(self, key: str) -> bool:
        if not self.has(key):
            return False
        value = self._items[key]
        if type(value) is not bool:
            raise self._bad(key, "true or false")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        value = self._items[key] if self.has(key) else default
        if (type(value) is not str and not isinstance(value, Missing)) or value not in choices:
            raise self._bad(key, f"one of {', '.join(choices)}")
        return str(value)

    def ms(self, key: str, default: float, *, low: float = 0.0, high: float = MAX_S) -> int:
        seconds = self.number(key) if self.has(key) else default
        if not low <= seconds <= high or not math.isfinite(seconds):
            raise self._bad(key, f"seconds from {low:g} to {high:g}")
        return round(1000 * seconds)

    def each(self, key: str, most: int, read: Callable[[object, Path], T]) -> tuple[T, ...]:
        if not self.has(key):
            return ()
        items = self._items[key]
        if not isinstance(items, list | tuple) or len(items) > most:
            raise self._bad(key, f"an array of at most {most} tables")
        return tuple(read(item, (*self.path, key, number)) for number, item in enumerate(items))

    def refuse_empty(self, key: str, parts: tuple[Condition, ...]) -> None:
        if not parts:
            raise self._bad(key, "an array of one condition at least")

    def unasked(self) -> tuple[str, ...]:
        return tuple(key for key in self._items if isinstance(key, str) and key not in self._asked)

    def done(self) -> None:
        for key in self._items:
            if key not in self._asked:
                place = (*self.path, key) if isinstance(key, str) else self.path
                known = tuple(sorted(self._asked))
                raise FormError(place, "there is no such key here", given=(str(key),), known=known)

    def _bad(self, key: str, expected: str) -> FormError:
        return FormError((*self.path, key), f"expected {expected}")
