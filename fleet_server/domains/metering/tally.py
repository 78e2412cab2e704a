"""A counter's consumption from its runs and its recorded replacements. Pure: nothing is guessed, nothing rounded."""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from fleet_server.domains.metering.models import Consumption, Crossing, Replacement, Step, Suspicion
from fleet_server.domains.metering.readings import COUNTED, EXACT, Reading, Run, Way, passage

MOST_GAPS = 200  # that are named; all are counted


class Tally:
    """Takes a counter's runs in order of time, cut at `cuts`.

    `edges` are where the steps begin and the last one ends, in ms; `replacements` those in force, in order of `at`;
    `before` the last Good reading before the first edge. More than `longest_ms` without a reading is a gap; the time
    behind `now` is none.
    """

    def __init__(
        self,
        edges: Sequence[int],
        replacements: Sequence[Replacement],
        rollovers: Mapping[int, int],
        longest_ms: int,
        *,
        before: Reading | None = None,
        now: int = 2**62,
    ) -> None:
        self.cuts = sorted({*edges, *(replacement.t for replacement in replacements)})
        self._edges = edges
        self._rollovers = rollovers
        self._longest_ms = longest_ms
        self._over = min(edges[-1], max(now, edges[0]))
        self._steps = [Step(start, end) for start, end in pairwise(edges)]
        self._pending = deque(r for r in replacements if before is None or r.t > before.t)
        self._before = self._previous = before
        self._origin: Replacement | None = None  # whose start reading is the previous one
        self._heard = edges[0]
        self._total = Decimal(0)
        self._first: Reading | None = None
        self._carried: Decimal | None = None
        self._count = self._missing = 0
        self._crossings: list[Crossing] = []
        self._swaps: list[Replacement] = []
        self._open: list[Suspicion] = []
        self._gaps: list[tuple[int, int]] = []

    def add(self, run: Run) -> None:
        self._replace_until(run.first.t + 1)
        self._gap(self._heard, run.first.t)
        self._move(run.first)
        self._count_in(self._step(run.last.t), EXACT.subtract(run.last.value, run.first.value), run.first, run.last)
        for start, end in run.gaps:
            self._gap(start, end)
        self._previous, self._heard = run.last, run.last.t
        self._count += run.size

    def result(self) -> Consumption:
        self._replace_until(self._edges[-1])
        self._gap(self._heard, self._over)
        return Consumption(
            start=self._edges[0],
            end=self._edges[-1],
            amount=self._total,
            first=self._first,
            last=self._previous if self._first else None,
            before=self._before,
            carried=self._carried,
            readings=self._count,
            steps=tuple(self._steps),
            rollovers=tuple(self._crossings),
            replacements=tuple(self._swaps),
            open=tuple(self._open),
            gaps=tuple(self._gaps),
            missing_ms=self._missing,
            span_ms=self._over - self._edges[0],
        )

    def _replace_until(self, end: int) -> None:
        while self._pending and self._pending[0].t < end:
            replacement = self._pending.popleft()
            if replacement.t >= self._edges[0]:
                self._move(Reading(replacement.t, replacement.end, None), replacement)
                self._swaps.append(replacement)
                self._previous = Reading(replacement.t, replacement.start, None)
            else:
                self._previous = self._before = Reading(replacement.t, replacement.start, None)
            self._origin = replacement

    def _move(self, reading: Reading, replacement: Replacement | None = None) -> None:
        """To the next reading, of the meter or of a person who took it away."""
        previous, origin = self._previous, replacement or self._origin
        self._previous, self._origin = reading, None
        is_first, self._first = self._first is None, self._first or reading
        if previous is None:
            return
        way, amount = passage(previous, reading, self._rollovers)
        if way not in COUNTED:
            self._open.append(Suspicion(way, previous, reading, origin.id if origin else None))
            return
        if way is Way.ROLL_OVER:
            self._crossings.append(Crossing(previous, reading, amount))
        if is_first:
            self._carried = amount
        else:
            self._count_in(self._step(reading.t), amount, previous, reading)

    def _count_in(self, step: Step, amount: Decimal, since: Reading, until: Reading) -> None:
        self._total = EXACT.add(self._total, amount)
        step.amount = EXACT.add(step.amount, amount)
        step.since = since.t if step.since is None else step.since
        step.until = until.t

    def _step(self, t: int) -> Step:
        return self._steps[bisect_right(self._edges, t) - 1]

    def _gap(self, start: int, end: int) -> None:
        if end - start <= self._longest_ms:
            return
        self._missing += end - start
        if len(self._gaps) < MOST_GAPS:
            self._gaps.append((start, end))
        for step in self._steps[bisect_right(self._edges, start) - 1 :]:
            if step.start >= end:
                break
            step.missing_ms += min(end, step.end) - max(start, step.start)
