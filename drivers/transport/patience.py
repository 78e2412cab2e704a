"""How long to wait for one device's answer, by how long its answers took so far. Pure: seconds in, seconds out.

An estimate as RFC 6298 makes it of round trips, but for two things. It remembers the slowest answer for long, since a
device that is slow once in a hundred times is alive that once too. And it does not double: silence after silence the
whole of what is configured is soon waited for, so that no device that answers within it is taken for dead.
"""

GAIN, SPREAD_GAIN, SPREADS = 1 / 8, 1 / 4, 4  # RFC 6298, 2.3
SLOWEST_COUNTS = 1.5
SLOWEST_FADES = 1 / 512  # an answer: half of it is forgotten after 355
AFTER_SILENCE = 3.0  # once; the next time it is the ceiling


class Patience:
    """`floor_s` is waited at least, where the ceiling allows it. `mean_s` is None until an answer came."""

    __slots__ = ("_floor_s", "_silences", "_slowest_s", "_spread_s", "mean_s")

    def __init__(self, floor_s: float) -> None:
        self.mean_s: float | None = None
        self._floor_s = floor_s
        self._spread_s = 0.0
        self._slowest_s = 0.0
        self._silences = 0

    def answered(self, seconds: float) -> None:
        """In time or late: an answer that was given up teaches the most."""
        seconds = max(seconds, 0.0)
        self._silences = 0
        self._slowest_s = max(seconds, self._slowest_s * (1 - SLOWEST_FADES))
        if self.mean_s is None:
            self.mean_s, self._spread_s = seconds, seconds / 2
            return
        self._spread_s += SPREAD_GAIN * (abs(seconds - self.mean_s) - self._spread_s)
        self.mean_s += GAIN * (seconds - self.mean_s)

    def silent(self) -> None:
        self._silences += 1

    def allowed(self, ceiling_s: float) -> float:
        """Never above `ceiling_s`, which is waited for whoever has not answered yet, or not the last two times."""
        if self.mean_s is None or self._silences > 1:
            return ceiling_s
        usual = max(self._floor_s, self.mean_s + SPREADS * self._spread_s, SLOWEST_COUNTS * self._slowest_s)
        return min(ceiling_s, usual * AFTER_SILENCE if self._silences else usual)
