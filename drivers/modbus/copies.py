"""Answers that come twice, and how a copy of one is kept from being taken for the next. Pure.

A device, a repeater or a terminal server that sends an answer twice sends the same bytes, and before it answers
anything else. So only the last answer of a unit can come again, and only an answer of its very bytes can be a copy.
"""

from drivers.modbus.debts import EXCEPTION, Shape
from protocols.modbus.codes import EXCEPTION_BIT

WINDOW_S, MOST_S = 1.0, 10.0  # for how long a copy is thought of: until one was seen, and at most
CREDIT = 20  # answers that looked like copies and proved none: a device whose values stand still is believed then
DISCREDIT = 200  # more of these it takes after a copy was seen


class _Unit:
    __slots__ = ("at", "credit", "pdu", "window_s")

    def __init__(self) -> None:
        self.pdu = b""
        self.at = 0.0
        self.window_s = WINDOW_S
        self.credit = 0


class Copies:
    """`seen` counts the copies that were known for such."""

    def __init__(self) -> None:
        self.seen = 0
        self._units: dict[int, _Unit] = {}

    def heard(self, unit: int, pdu: bytes, now: float) -> None:
        one = self._units.setdefault(unit, _Unit())
        one.pdu, one.at = pdu, now

    def is_copy(self, unit: int, pdu: bytes, now: float) -> bool:
        """Of the last answer, where nothing else was asked that this may answer."""
        one = self._units.get(unit)
        return one is not None and pdu == one.pdu and now - one.at <= MOST_S

    def is_doubtful(self, unit: int, pdu: bytes, now: float) -> bool:
        """Whether what answers the present request may as well be the last answer, come again."""
        one = self._units.get(unit)
        if one is None or pdu != one.pdu or now - one.at > one.window_s:
            return False
        return one.credit < CREDIT and len(pdu) > EXCEPTION

    def shape(self, unit: int, now: float) -> Shape | None:
        """Of the answer that may come again."""
        one = self._units.get(unit)
        return (one.pdu[0] & ~EXCEPTION_BIT, len(one.pdu)) if one is not None and now - one.at <= MOST_S else None

    def saw(self, unit: int, now: float) -> None:
        """The last answer came again, and nothing else can it have been."""
        one = self._units[unit]
        self.seen += 1
        one.credit = -DISCREDIT
        one.window_s = min(MOST_S, max(one.window_s, 2 * (now - one.at)))

    def proved(self, unit: int) -> None:
        """What was doubtful was no copy."""
        self._units[unit].credit += 1
