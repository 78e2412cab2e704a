"""What devices taught of their kinds, kept over restarts in one small file."""

import hashlib
import json
import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent.bus.learned import NOTHING, Learned
from drivers.base import Model

log = logging.getLogger(__name__)

MAX_KINDS = 1000
MAX_PLACES = 1000  # of each kind


class Memory:
    """Written only when something worth a write has changed: not for a turnaround that wavers.

    A file that cannot be read or written costs nothing but learning again, and is said in the log.
    """

    WAVERS = 0.5  # the share by which a turnaround must have moved

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kinds = self._read()

    def recall(self, model: Model) -> Learned:
        return self._kinds.get(kind_of(model), NOTHING)

    def note(self, taught: Iterable[tuple[Model, Learned]]) -> None:
        """Keeps what all devices of a kind taught: what one lacks may be lacking from another."""
        fresh: dict[str, list[Learned]] = {}
        for model, learned in taught:
            fresh.setdefault(kind_of(model), []).append(learned)
        merged = {kind: _merge(each) for kind, each in fresh.items()}
        if all(self._knows(kind, learned) for kind, learned in merged.items()):
            return
        self._kinds = {**{kind: old for kind, old in self._kinds.items() if kind not in merged}, **merged}
        for kind in list(self._kinds)[: max(0, len(self._kinds) - MAX_KINDS)]:
            del self._kinds[kind]
        try:
            beside = self._path.with_suffix(".new")
            beside.write_text(json.dumps({kind: _told(learned) for kind, learned in self._kinds.items()}))
            beside.replace(self._path)
        except OSError as error:
            log.warning("%s: what devices lack is not kept: %s", self._path, error)

    def _knows(self, kind: str, learned: Learned) -> bool:
        old = self._kinds.get(kind, NOTHING)
        if (old.cuts, old.absent) != (learned.cuts, learned.absent):
            return False
        if learned.turnaround_ms is None:
            return True
        return old.turnaround_ms is not None and (
            abs(learned.turnaround_ms - old.turnaround_ms) <= 1 + self.WAVERS * old.turnaround_ms
        )

    def _read(self) -> dict[str, Learned]:
        try:
            kept = json.loads(self._path.read_text())
            return {str(kind): _learned(one) for kind, one in kept.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("%s: cannot be read, so what devices lack is learned again: %s", self._path, error)
            return {}


def kind_of(model: Model) -> str:
    """Another map of registers under the same name is another kind."""
    described = repr((tuple(model.points), sorted(model.limits.longest.items()), model.limits.gap))
    return f"{model.name}/{hashlib.sha256(described.encode()).hexdigest()[:16]}"


def _merge(all_of_a_kind: Iterable[Learned]) -> Learned:
    several = list(all_of_a_kind)
    known = [learned.turnaround_ms for learned in several if learned.turnaround_ms is not None]
    return Learned(
        frozenset(sorted(frozenset[Any]().union(*(learned.cuts for learned in several)))[:MAX_PLACES]),
        frozenset(sorted(frozenset[Any]().union(*(learned.absent for learned in several)))[:MAX_PLACES]),
        max(known, default=None),
    )


def _told(learned: Learned) -> dict[str, object]:
    return {
        "cuts": sorted(learned.cuts),
        "absent": sorted(learned.absent),
        "turnaround_ms": None if learned.turnaround_ms is None else round(learned.turnaround_ms, 1),
    }


def _learned(one: dict[str, Any]) -> Learned:
    turnaround = one["turnaround_ms"]
    if turnaround is not None and not (turnaround >= 0 and math.isfinite(turnaround)):
        raise ValueError(f"nobody thinks for {turnaround} ms")
    return Learned(
        frozenset((str(space), int(address)) for space, address in one["cuts"]),
        frozenset((str(space), int(address), int(length)) for space, address, length in one["absent"]),
        None if turnaround is None else float(turnaround),
    )
