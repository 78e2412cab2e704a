"""The access number that a meter counts up with each answer, and what it says of an answer's age. Pure."""

import math
from dataclasses import dataclass

LATE_S = 10.0  # no answer comes later than that
STANDS = 3  # answers sent twice, each with the next one lost, are not so many in a row


@dataclass
class AccessNumbers:
    """Of one meter. There are meters whose number stands still, or jumps: it is trusted while it has gone up by one
    with each request, and says nothing otherwise."""

    last: int | None = None
    trusted: bool = False
    asked: int = 0  # requests since the last answer that was taken
    _lost_at: float = -math.inf
    _stood: bool = False  # the present request met the number of the last answer
    _stands: int = 0  # requests in a row that met nothing else

    def ask(self) -> None:
        self.asked += 1

    def lose(self, now: float) -> None:
        """A request was given up. A meter of which nothing but the same number comes has stopped counting."""
        self._lost_at = now
        self._stands = self._stands + 1 if self._stood else 0
        self._stood = False
        if self._stands == STANDS:
            self.trusted = False

    def fits(self, access: int, now: float) -> bool:
        """Whether an answer with this number is new, and to the present request as far as can be known."""
        if self.last is None or not self.trusted:
            return True
        if access == self.last:
            self._stood = True
            return False
        may_be_late = now - self._lost_at < LATE_S
        return not may_be_late or access == (self.last + self.asked) & 0xFF

    def take(self, access: int) -> None:
        self.trusted = self.last is not None and (access - self.last) & 0xFF == self.asked
        self.last, self.asked = access, 0
        self._stood, self._stands = False, 0
