"""Which devices of a bus answer, and when to try those that do not. Pure: `now` is CLOCK_BOOTTIME in ms.

A dead slave costs a whole timeout whenever it is asked. It is asked while it may only have missed a few; then it is
left out and probed, first often, later every MAX_BACKOFF_MS; and probes never take more than PROBE_SHARE of the time
of a line that is busy with the living.
"""

from collections.abc import Mapping
from typing import NamedTuple

FAILURES = 3  # this many in a row, and
FAILING_MS = 2000  # for this long: both, so that neither one bad moment nor one slow device decides
MIN_BACKOFF_MS = 500
MAX_BACKOFF_MS = 10_000
PROBE_SHARE = 0.05
FAULT_SHOWN_MS = 60_000  # a fault that comes and goes is told of for so long after it last came


def backoff_ms(attempt: int) -> int:
    """How long to wait after the `attempt`-th failure in a row, from 1: 0.5 s, doubled each time, 10 s at most."""
    return min(MIN_BACKOFF_MS << min(max(attempt - 1, 0), 16), MAX_BACKOFF_MS)


class Change(NamedTuple):
    """A device stopped or began to answer; `since` is the last answer, or the beginning of the silence."""

    device: int
    reachable: bool
    since: int
    detail: str


class DeviceState:
    """`reachable` until proven dead: a device that has never answered yet is asked as if it would.

    `detail` is why it does not answer, or what is wrong with the answers of one that does.
    """

    __slots__ = (
        "detail",
        "failing_since",
        "failures",
        "fault_at",
        "last_answer",
        "probe_at",
        "probes",
        "reachable",
        "since",
    )

    def __init__(self, now: int) -> None:
        self.reachable = True
        self.since = now
        self.last_answer: int | None = None
        self.failures = 0
        self.failing_since = now
        self.probes = 0
        self.probe_at = now
        self.detail = ""
        self.fault_at = now


class Health:
    def __init__(self, devices: int, now: int) -> None:
        self.devices = tuple(DeviceState(now) for _ in range(devices))
        self._dead: set[int] = set()
        self._budget_free_at = now
        self._news = False

    def answered(self, device: int, now: int, fault: str = "") -> Change | None:
        """Device answered at `now`, be it with a refusal; `fault` is what was wrong nevertheless. A Change if it was
        away."""
        state = self.devices[device]
        state.last_answer = now
        state.failures = 0
        if state.reachable:
            if fault or now - state.fault_at >= FAULT_SHOWN_MS:
                self._tell(state, now, fault)
            return None
        change = Change(device, True, state.failing_since, state.detail)
        state.reachable, state.since, state.detail, state.fault_at = True, now, fault, now
        self._dead.discard(device)
        return change

    def failed(self, device: int, now: int, detail: str) -> Change | None:
        """Device did not answer, or not in a way that can be used. A Change if that makes it unreachable."""
        state = self.devices[device]
        if state.failures == 0:
            state.failing_since = now
        state.failures += 1
        self._tell(state, now, detail)
        if not state.reachable:
            state.probes += 1
            state.probe_at = now + backoff_ms(state.probes)
            return None
        if state.failures < FAILURES or now - state.failing_since < FAILING_MS:
            return None
        state.reachable, state.since = False, now
        self._dead.add(device)
        state.probes = 1
        state.probe_at = now + backoff_ms(1)
        return Change(device, False, state.failing_since, detail)

    def fault_news(self) -> bool:
        """Whether since this was last asked a fault came up, or went, of a device that answers."""
        news, self._news = self._news, False
        return news

    def _tell(self, state: DeviceState, now: int, fault: str) -> None:
        self._news |= state.reachable and bool(fault) != bool(state.detail)
        state.detail, state.fault_at = fault, now

    def probed(self, started: int, now: int) -> None:
        """A probe that failed took the line from `started` to `now`; the budget rests for the living's share of it."""
        self._budget_free_at = now + round((now - started) * (1 / PROBE_SHARE - 1))

    def next_probe(self, now: int, idle_until: int | None, cost_ms: int) -> int | None:
        """The device to probe now, or None.

        The one due longest, if a probe that fails, taking `cost_ms`, is over before the line is wanted at `idle_until`
        (None: never), or the budget has rested.
        """
        if not self._dead:
            return None
        due, device = min((self.devices[device].probe_at, device) for device in self._dead)
        fits = idle_until is None or not self.any_reachable or now + cost_ms <= idle_until
        return device if due <= now and (fits or now >= self._budget_free_at) else None

    def go_on(self, old: "Health", places: Mapping[int, int]) -> None:
        """Takes over what `old` knew of its devices: `places` says where each stands here, by where it stood."""
        states = list(self.devices)
        for was, place in places.items():
            states[place] = old.devices[was]
        self.devices = tuple(states)
        self._dead = {places[was] for was in old._dead if was in places}  # noqa: SLF001
        self._budget_free_at = old._budget_free_at  # noqa: SLF001

    @property
    def any_reachable(self) -> bool:
        return len(self._dead) < len(self.devices)

    def line_returned(self, now: int) -> None:
        """The line was opened (again): whoever was dead is tried at once, with a fresh back-off."""
        for state in self.devices:
            state.probes, state.probe_at = 0, now
        self._budget_free_at = now

    def next_probe_at(self, now: int) -> int | None:
        """When to look again for one to probe, if next_probe() just gave none: behind `now`, for who waits for a moment
        that is past does not wait. What is due and does not fit between the living's ticks waits for the budget."""
        if not self._dead:
            return None
        due = min(self.devices[device].probe_at for device in self._dead)
        return due if due > now else max(self._budget_free_at, now + 1)
