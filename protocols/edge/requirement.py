"""What must hold before a channel is written. Apart, since a configuration has such and is read without numpy."""

from decimal import Decimal
from typing import NamedTuple


class Requirement(NamedTuple):
    """What `channel` of `device` must show right before a write, in its unit: from `low` to `high`, both included."""

    device: str
    channel: str
    low: Decimal
    high: Decimal
