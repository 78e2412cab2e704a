"""Logging of faults that repeat: the first at once, then one line a minute that says how many it stands for. Pure."""

from collections.abc import Hashable

QUIET_MS = 60_000


class RateLimit:
    def __init__(self, quiet_ms: int = QUIET_MS) -> None:
        self._quiet_ms = quiet_ms
        self._seen: dict[Hashable, tuple[int, int]] = {}  # key: (last logged, kept back since)

    def admit(self, key: Hashable, now: int) -> int | None:
        """How many of this kind were kept back since the last line, if one may be written now; else None."""
        logged, kept = self._seen.get(key, (None, 0))
        if logged is not None and now - logged < self._quiet_ms:
            self._seen[key] = (logged, kept + 1)
            return None
        self._seen[key] = (now, 0)
        return kept

    def forget(self, key: Hashable) -> None:
        """The fault is over: should it come again, that is news."""
        self._seen.pop(key, None)


def more(kept: int) -> str:
    """The end of a line that stands for `kept` others."""
    return f" ({kept} more like this since the last line)" if kept else ""
