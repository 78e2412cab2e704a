"""A device with data by identifier. Written apart from drivers/, so that neither checks itself."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from protocols.bcd import Format
from sim_devices.models.base import Device

MOST_IN_FRAME = 40  # meters have small buffers; what is longer comes in several frames


class Datum(NamedTuple):
    """`name` is the value's; a counter stands there in its last digit, another value in its unit."""

    name: str
    di: int
    format: Format
    counter: bool = False

    def encode(self, value: float | None) -> bytes:
        """Out of range it is the nearest that fits, and a counter begins again at 0."""
        if value is None:
            return self.format.encode(None)
        highest = self.format.highest
        if self.counter:
            return self.format.encode(int(value) % (highest + 1))
        number = round(value * 10**self.format.decimals)
        return self.format.encode(max(-highest if self.format.signed else 0, min(highest, number)))


class NoSuchData(Exception):
    """The meter has no such identifier; DL/T 645 answers error 02."""


class DataDevice(Device):
    """A DL/T 645 slave. Subclasses say the DATA and, by identifier, the BLOCKS of them that are read as one."""

    PROTOCOL = "dlt645"
    DATA: ClassVar[tuple[Datum, ...]]
    BLOCKS: ClassVar[Mapping[int, tuple[int, ...]]] = {}

    def read(self, di: int) -> bytes:
        """Raises NoSuchData."""
        data = {datum.di: datum for datum in self.DATA}
        wanted = self.BLOCKS.get(di, (di,))
        if not set(wanted) <= data.keys():
            raise NoSuchData(f"{di:08X}")
        return b"".join(data[each].encode(self.values[data[each].name]) for each in wanted)
