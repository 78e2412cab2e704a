"""How often a driver's children have failed, and when that is too often. Pure."""

from collections import deque

MANY = 5
WITHIN_S = 600.0


class Conduct:
    """`disabled` says why the driver is not to be started any more; it is empty while it is."""

    def __init__(self) -> None:
        self.failures = 0
        self.last = ""
        self.disabled = ""
        self._recent: deque[float] = deque(maxlen=MANY)

    def failed(self, cause: str, now: float) -> bool:
        """`now` in seconds. Whether that was one too many."""
        self.failures += 1
        self.last = cause
        self._recent.append(now)
        if self.disabled or len(self._recent) < MANY or now - self._recent[0] > WITHIN_S:
            return False
        self.disabled = f"{MANY} failures within {now - self._recent[0]:.0f} s, the last: {cause}"
        return True

    def forgive(self) -> None:
        """The driver is another one now."""
        self.disabled = ""
        self._recent.clear()
