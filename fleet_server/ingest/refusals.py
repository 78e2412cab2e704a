"""Which of the messages that did not authenticate are kept for people to see: few, so that a flood fills nothing."""

from collections.abc import Sequence
from datetime import datetime

from fleet_server.ingest.arrivals import Refused

HEAD = 512  # bytes of a message
BURST = 50
PER_SECOND = 1.0


class Sampler:
    """A token bucket over all that is refused. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._tokens = float(BURST)
        self._at: float | None = None

    def choose(self, refused: Sequence[Refused], now: float) -> list[Refused]:
        if self._at is not None:
            self._tokens = min(float(BURST), self._tokens + (now - self._at) * PER_SECOND)
        self._at = now
        # One of each kind first: a flood of one does not hide another in the same group.
        kinds: dict[tuple[str, str], Refused] = {}
        for item in refused:
            kinds.setdefault((item.reason, item.gateway), item)
        kept = list(kinds.values())[: int(self._tokens)]
        self._tokens -= len(kept)
        return kept


def row(item: Refused, now: datetime) -> tuple[object, ...]:
    """A row of `quarantine`. Topic and detail come from strangers."""
    topic, detail = item.raw.topic.replace("\0", "\\0")[:200], item.detail.replace("\0", "\\0")[:500]
    body = item.raw.sealed[:HEAD]
    return (now, item.gateway, topic, item.reason, detail, len(item.raw.sealed), False, None, None, body)
