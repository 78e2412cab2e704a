"""What may go over a link, and when: kinds of links, budgets, windows of the day. Pure."""

from dataclasses import dataclass

from agent.uplink.lanes import Lane

EVERY_LANE = frozenset(Lane)
URGENT = frozenset({Lane.BIRTHS, Lane.ALARMS})
FOR_DATA = 0.9  # of a day's budget; what is beyond it is for alarms and what keeps the connection
DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class Policy:
    """`budget` is in bytes a day (UTC), both directions; `windows` are (from, to) in minutes of the day, UTC."""

    kind: str = "ethernet"
    keepalive_s: int = 20
    timeout_s: float = 10.0
    state_s: float = 30.0
    window_bytes: int = 1 << 20
    resend_s: float = 10.0
    budget: int | None = None
    windows: tuple[tuple[int, int], ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether everything may go at any time."""
        return self.budget is None and not self.windows

    def lanes(self, spent: int, utc_ms: int) -> frozenset[Lane]:
        """What may be sent now. Alarms always may: outside the windows, and beyond the budget."""
        if self.windows and not any(_is_within(window, utc_ms // 60_000 % DAY_MINUTES) for window in self.windows):
            return URGENT
        return URGENT if self.budget is not None and spent >= FOR_DATA * self.budget else EVERY_LANE


# A connection that is kept costs about 130 bytes each keepalive: over a day 0.6 MB at 20 s, 90 KB at 120 s. Mobile
# networks forget a connection that was silent for some minutes (RFC 5382 asks for 124 min, few keep to it).
KINDS = {
    "ethernet": Policy(),
    "cellular": Policy(
        "cellular", keepalive_s=120, timeout_s=30.0, state_s=300.0, window_bytes=256 << 10, resend_s=30.0
    ),
    # NB-IoT in extended coverage takes up to 10 s for one way, and a window's messages go one after another.
    "nbiot": Policy("nbiot", keepalive_s=120, timeout_s=60.0, state_s=1800.0, window_bytes=16 << 10, resend_s=60.0),
}


def _is_within(window: tuple[int, int], minute: int) -> bool:
    start, end = window
    return start <= minute < end if start < end else minute >= start or minute < end
