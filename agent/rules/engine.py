"""Runs the rules: takes what leaves the pipeline, keeps their deadlines, and hands out events and commands."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, Protocol

from agent.clock import Now
from agent.pipeline import Part
from agent.rules.feed import Feed
from agent.rules.memory import RuleMemory
from agent.rules.orders import order
from protocols.edge.birth import ChannelDescription
from protocols.edge.messages import Command, Scalar
from protocols.rules import Effect, Evaluator, Happened, Observation, Remembered, Rule, State, Tick, compares

log = logging.getLogger(__name__)

# Deadlines wait for what is still on its way through the pipeline, which is drained every agent.supervisor.FLUSH_S.
BEHIND_MS = 1000
MAX_TOLD = 8  # values of a rule's channels in its event
INFO = 0  # severity of an event


class Outward(Protocol):
    """What a rule can do in a gateway: agent.supervisor.Agent."""

    gateway: str

    def now(self) -> Now: ...

    def tell(self, kind: str, source: str, severity: int, data: Mapping[str, Scalar]) -> None: ...

    def execute(self, command: Command, until_ms: int) -> None: ...

    def capture(self, rule: Rule, at: int) -> bytes | None:
        """What its bursts will be called; None where there is no room for them."""
        ...

    def incarnation(self) -> int: ...


@dataclass
class Counts:
    fired: int = 0
    cleared: int = 0
    commands: int = 0
    captures: int = 0


class Known(NamedTuple):
    """What one engine can tell the next."""

    evaluator: Evaluator
    state: State
    last: Mapping[tuple[str, str], Observation]
    counts: Mapping[Rule, Counts]


class Engine:
    """`see` takes parts as they leave the pipeline; `run` meets the deadlines in between."""

    def __init__(
        self,
        rules: Sequence[Rule],
        channels: Iterable[ChannelDescription],
        codes: Sequence[str],
        outward: Outward,
        memory: RuleMemory,
        before: Known | None = None,
    ) -> None:
        """What the engine of another configuration knew `before`, of rules that are the same here, goes on."""
        self._rules = tuple(rules)
        self._evaluator = Evaluator(rules)
        self._feed = Feed(channels, codes, self._evaluator.channels)
        self._outward = outward
        self._memory = memory
        self._last: dict[tuple[str, str], Observation] = {}
        counts = {} if before is None else before.counts
        self._counts = [counts.get(rule) or Counts() for rule in rules]
        self._moved = asyncio.Event()
        self._unnoted = False
        self._state: State = self._evaluator.start(outward.now().boottime_ms, memory.recall(rules))
        if before is not None:
            self._last = dict(before.last)
            self._state = self._evaluator.carry(self._state, before.evaluator, before.state)

    @property
    def known(self) -> Known:
        counts = dict(zip(self._rules, self._counts, strict=True))
        return Known(self._evaluator, self._state, self._last, counts)

    def see(self, part: Part) -> None:
        for tick in self._feed.ticks(part, self._outward.now().boottime_ms):
            self._last.update({(one.device, one.channel): one for one in tick.observations})
            self._evaluate(tick)
        self._moved.set()

    async def run(self) -> NoReturn:
        while True:
            self._moved.clear()
            if self._unnoted:
                self._unnoted = False
                await asyncio.to_thread(self._memory.note, self._remembered())
            due = self._evaluator.due(self._state)
            wait_ms = None if due is None else due + BEHIND_MS - self._outward.now().boottime_ms
            if wait_ms is not None and wait_ms <= 0:
                self._evaluate(Tick(max(self._outward.now().boottime_ms - BEHIND_MS, self._state.now)))
                continue
            try:
                async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                    await self._moved.wait()
            except TimeoutError:
                pass  # the deadline

    def close(self) -> None:
        """At the end of the program: keeps what `run` had no time to keep."""
        if self._unnoted:
            self._memory.note(self._remembered())

    def report(self) -> list[dict[str, Any]]:
        """Of each rule: its state, since when its condition is what it is, and what it did."""
        now = self._outward.now()
        return [
            {
                "name": rule.name,
                "active": (kept := self._evaluator.remembered(self._state, index)).active,
                "condition": {True: "true", False: "false", None: "unknown"}[state.verdict],
                "since_ms": max(now.utc_of(state.since), 0),
                "fired_ms": None if kept.fired_at is None else max(now.utc_of(kept.fired_at), 0),
                "fired": counts.fired,
                "cleared": counts.cleared,
                "commands": counts.commands,
                "captures": counts.captures,
            }
            for index, (rule, state, counts) in enumerate(
                zip(self._rules, self._state.rules, self._counts, strict=True)
            )
        ]

    def _evaluate(self, tick: Tick) -> None:
        self._state, effects = self._evaluator.evaluate(self._state, tick)
        if not effects:
            return
        for effect in effects:
            self._do(effect)
        self._unnoted = True
        self._moved.set()

    def _remembered(self) -> list[tuple[Rule, Remembered]]:
        return [(rule, self._evaluator.remembered(self._state, index)) for index, rule in enumerate(self._rules)]

    def _do(self, effect: Effect) -> None:
        rule, counts, now = self._rules[effect.rule], self._counts[effect.rule], self._outward.now()
        log.info("gateway %s: rule %s %s", self._outward.gateway, rule.name, effect.happened.value)
        orders, capture = [], None
        if effect.happened is Happened.FIRED:
            counts.fired += 1
            if rule.captures:
                capture = self._outward.capture(rule, effect.at)
                counts.captures += capture is not None
            orders = [
                order(
                    *(rule, write),
                    gateway=self._outward.gateway,
                    incarnation=self._outward.incarnation(),
                    now_utc_ms=now.utc_ms,
                )
                for write in rule.writes
            ]
        else:
            counts.cleared += 1
        for tell in rule.tells:
            severity = tell.severity if effect.happened is Happened.FIRED else INFO
            particulars = self._particulars(rule, effect, now)
            if capture is not None:
                particulars["capture"] = capture
            self._outward.tell(tell.kind, _source(rule), severity, particulars)
        for command, write in zip(orders, rule.writes, strict=False):
            counts.commands += 1
            self._outward.execute(command, now.boottime_ms + write.expires_ms)

    def _particulars(self, rule: Rule, effect: Effect, now: Now) -> dict[str, Scalar]:
        data: dict[str, Scalar] = {
            "rule": rule.name,
            "state": effect.happened.value,
            "at_ms": max(now.utc_of(effect.at), 0),
        }
        looked = dict.fromkeys((one.device, one.channel) for one in compares(rule.when))
        for number, key in enumerate(list(looked)[:MAX_TOLD], 1):
            seen = self._last.get(key)
            data[f"channel{number}"] = " ".join(key)
            data[f"value{number}"] = None if seen is None else seen.value
        return data


def _source(rule: Rule) -> str:
    return next(compares(rule.when)).device
