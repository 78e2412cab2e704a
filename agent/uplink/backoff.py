"""How long to wait before the next attempt. Pure but for the generator it is given."""

from random import Random

FIRST_S, LONGEST_S = 0.5, 30.0


class Backoff:
    """Doubles from FIRST_S to LONGEST_S; each wait is drawn from its upper half.

    Jitter keeps a thousand gateways from knocking at once when a broker is back.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._next = FIRST_S

    def wait_s(self) -> float:
        wait = self._next
        self._next = min(2 * wait, LONGEST_S)
        return wait * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._next = FIRST_S
