"""The evaluator of rules: observations and moments in, firings and clearings out. Pure.

Moments are CLOCK_BOOTTIME in ms. A value stands until the next one or until it is too old, and deadlines in between
are met at their own moment: how the stretch from one observation to the next is cut into ticks changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple

from protocols.errors import LocalProtocolError
from protocols.quality import Quality, is_bad, is_uncertain
from protocols.rules.form import AtLeast, Compare, Condition, Missing, Not, Op, Rule, compares


class Observation(NamedTuple):
    """A value in the channel's unit, or None, taken at `t`."""

    device: str
    channel: str
    t: int
    value: float | None
    quality: int = 0


class Tick(NamedTuple):
    """All observations that became known at `now`, together: no rule looks between two of them."""

    now: int
    observations: tuple[Observation, ...] = ()


class Happened(StrEnum):
    FIRED = "fired"
    CLEARED = "cleared"


class Effect(NamedTuple):
    """What became of rule number `rule` at `at`."""

    happened: Happened
    rule: int
    at: int


class Remembered(NamedTuple):
    """What is kept of a rule over a restart: whether it had fired and not cleared, when it fired last, if that is
    known on the present clock, and what its comparisons said: a value between two thresholds ends no alarm."""

    active: bool
    fired_at: int | None
    latches: tuple[bool, ...] = ()


class Phase(Enum):
    IDLE = 0
    ACTIVE = 1
    RESUMED = 2  # it was active before a restart: it fires anew if it still is, and clears if not


class Sample(NamedTuple):
    t: int
    value: float
    before_t: int | None
    before: float


class RuleState(NamedTuple):
    """`since` is when `verdict` became what it is; `due` the next moment at which anything changes by itself.

    Until a channel has had its age limit's time since the rule `began` to speak for the first time, it is unknown and
    not missing: a gateway that starts sees no danger in sensors it has not asked yet.
    """

    phase: Phase
    latches: tuple[bool, ...]
    verdict: bool | None
    since: int
    fired_at: int | None
    due: int | None
    began: int


@dataclass(frozen=True)
class State:
    now: int
    samples: tuple[Sample | None, ...]
    rules: tuple[RuleState, ...]


class Evaluator:
    """`rules` have an age limit at each comparison, else LocalProtocolError."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._compares = tuple(tuple(compares(rule.when)) for rule in rules)
        numbers: dict[tuple[str, str, bool], int] = {}
        touches: list[list[int]] = []
        self._inputs: list[tuple[int, ...]] = []
        for index, each in enumerate(self._compares):
            used = []
            for one in each:
                if one.max_age_ms is None:
                    raise LocalProtocolError(f"rule {rules[index].name!r}: {one.channel} has no age limit")
                number = numbers.setdefault((one.device, one.channel, one.uncertain), len(numbers))
                if number == len(touches):
                    touches.append([])
                touches[number].append(index)
                used.append(number)
            self._inputs.append(tuple(used))
        self._touches = touches
        self.numbers = numbers  # in their order: 0, 1, 2 ...
        self._by_channel: dict[tuple[str, str], list[tuple[int, bool]]] = {}
        for (device, channel, uncertain), number in numbers.items():
            self._by_channel.setdefault((device, channel), []).append((number, uncertain))

    @property
    def channels(self) -> Iterable[tuple[str, str]]:
        """The device and channel of everything that is looked at."""
        return self._by_channel.keys()

    def start(self, now: int, remembered: Mapping[str, Remembered]) -> State:
        """A state that knows no value yet; `remembered` by name."""
        rules = []
        for rule, each in zip(self.rules, self._compares, strict=True):
            kept = remembered.get(rule.name, Remembered(False, None))
            phase = Phase.RESUMED if kept.active else Phase.IDLE
            latches = kept.latches if kept.active and len(kept.latches) == len(each) else (False,) * len(each)
            rules.append(RuleState(phase, latches, None, now, kept.fired_at, due=now, began=now))
        return State(now, (None,) * len(self._touches), tuple(rules))

    def carry(self, state: State, before: "Evaluator", old: State) -> State:
        """`state`, just started, with all that `before` knew in `old` of the rules that are the same in both."""
        places = {rule: index for index, rule in enumerate(before.rules)}
        known = {key: old.samples[number] for key, number in before.numbers.items()}
        samples = tuple(known.get(key) for key in self.numbers)
        rules = tuple(
            fresh if (place := places.get(rule)) is None else old.rules[place]._replace(due=state.now)
            for rule, fresh in zip(self.rules, state.rules, strict=True)
        )
        return State(max(state.now, old.now), samples, rules)

    def evaluate(self, state: State, tick: Tick) -> tuple[State, tuple[Effect, ...]]:
        """The state after the tick, and what happened up to it, in order. A tick of before the state's own moment
        counts as of that moment."""
        now = max(tick.now, state.now)
        work = _Work(list(state.samples), list(state.rules))
        effects: list[Effect] = []
        while (due := _earliest(work.rules)) is not None and due < now:
            self._step(work, due, (), effects)
        touched = {index for one in tick.observations for index in self._take(work.samples, one)}
        self._step(work, now, touched, effects)
        return State(now, tuple(work.samples), tuple(work.rules)), tuple(effects)

    def remembered(self, state: State, rule: int) -> Remembered:
        """What `start` should be told of the rule after a restart."""
        kept = state.rules[rule]
        return Remembered(kept.phase is not Phase.IDLE, kept.fired_at, kept.latches)

    def due(self, state: State) -> int | None:
        """When to evaluate next though nothing is observed; None if never."""
        return _earliest(state.rules)

    def _take(self, samples: list[Sample | None], seen: Observation) -> Iterable[int]:
        """Keeps a value that may be used; the rules that look at it. One that may not leaves the last one to age."""
        uncertain = is_uncertain(seen.quality)
        # A value that a filter held is the last one once more: it does not make it younger.
        if seen.value is None or is_bad(seen.quality) or seen.quality == Quality.UNCERTAIN_LAST_USABLE:
            return
        for number, takes_uncertain in self._by_channel.get((seen.device, seen.channel), ()):
            last = samples[number]
            if (uncertain and not takes_uncertain) or (last is not None and seen.t < last.t):
                continue
            if last is None:
                before: tuple[int | None, float] = None, 0.0
            else:  # of two at one moment, the later word counts
                before = (last.before_t, last.before) if seen.t == last.t else (last.t, last.value)
            samples[number] = Sample(seen.t, seen.value, *before)
            yield from self._touches[number]

    def _step(self, work: "_Work", at: int, touched: Iterable[int], effects: list[Effect]) -> None:
        ripe = {index for index, rule in enumerate(work.rules) if rule.due is not None and rule.due <= at}
        for index in sorted(ripe.union(touched)):
            work.rules[index] = self._advance(index, work, at, effects)

    def _advance(self, index: int, work: "_Work", at: int, effects: list[Effect]) -> RuleState:
        rule, old = self.rules[index], work.rules[index]
        samples = [work.samples[number] for number in self._inputs[index]]
        latches = list(old.latches)
        answers = iter(
            [_answer(one, samples[i], latches, i, at, old.began) for i, one in enumerate(self._compares[index])]
        )
        verdict = _verdict(rule.when, answers)
        since = old.since if verdict is old.verdict else at
        phase, fired_at, due = old.phase, old.fired_at, None
        if verdict is True and phase is not Phase.ACTIVE:
            due = since + rule.hold_ms
            if fired_at is not None:
                due = max(due, fired_at + rule.repeat_ms)
            if due <= at:
                phase, fired_at, due = Phase.ACTIVE, at, None
                effects.append(Effect(Happened.FIRED, index, at))
        elif verdict is False and phase is not Phase.IDLE:
            due = since + rule.clear_ms
            if due <= at:
                phase, due = Phase.IDLE, None
                effects.append(Effect(Happened.CLEARED, index, at))
        for one, sample in zip(self._compares[index], samples, strict=True):
            stale = _stale(one, sample, old.began)
            if stale > at and (due is None or stale < due):
                due = stale
        return RuleState(phase, tuple(latches), verdict, since, fired_at, due, old.began)


class _Work(NamedTuple):
    samples: list[Sample | None]
    rules: list[RuleState]


def _earliest(rules: Iterable[RuleState]) -> int | None:
    return min((rule.due for rule in rules if rule.due is not None), default=None)


def _stale(one: Compare, sample: Sample | None, began: int) -> int:
    """From when on there is no value that is young enough."""
    return (began if sample is None else sample.t) + (one.max_age_ms or 0) + 1


def _answer(one: Compare, sample: Sample | None, latches: list[bool], place: int, at: int, began: int) -> bool | None:
    value = _value(one, sample, at, began)
    if value is None:
        # Nothing was said yet, or of a rate only where it begins: that is unknown, and not missing.
        if (sample is None or (one.rate and sample.before_t is None)) and at < _stale(one, sample, began):
            return None
        return _WITHOUT.get(one.missing, latches[place])
    match one.op:
        case Op.ABOVE:
            latches[place] = value > one.on or (latches[place] and value > one.back)
        case Op.BELOW:
            latches[place] = value < one.on or (latches[place] and value < one.back)
        case Op.EQUALS:
            latches[place] = value == one.on
    return latches[place]


_WITHOUT: Mapping[Missing, bool | None] = {Missing.UNKNOWN: None, Missing.FALSE: False, Missing.TRUE: True}


def _value(one: Compare, sample: Sample | None, at: int, began: int) -> float | None:
    if sample is None or at >= _stale(one, sample, began):
        return None
    if not one.rate:
        return sample.value
    if sample.before_t is None or sample.t - sample.before_t > (one.max_age_ms or 0):
        return None
    return 1000 * (sample.value - sample.before) / (sample.t - sample.before_t)


def _verdict(condition: Condition, answers: "Iterable[bool | None]") -> bool | None:
    """Kleene's logic: what is unknown stays so, unless the rest decides. `answers` are an iterator over those of the
    comparisons, from left to right."""
    match condition:
        case Compare():
            return next(iter(answers))
        case Not():
            inner = _verdict(condition.part, answers)
            return None if inner is None else not inner
        case AtLeast():
            parts = [_verdict(part, answers) for part in condition.parts]
            true, unknown = parts.count(True), parts.count(None)
            if true >= condition.count:
                return True
            return False if true + unknown < condition.count else None
