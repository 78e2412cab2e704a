"""How a device's values stand in its register tables. Written apart from drivers/, so that neither checks itself."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sim_devices.models.base import Value


class Table(StrEnum):
    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"


BITS = (Table.COIL, Table.DISCRETE)
FORMATS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}


def word(*flags: bool) -> int:
    """A status word, its lowest bit first."""
    return sum(flag << bit for bit, flag in enumerate(flags))


class NoSuchAddress(Exception):
    """The device has nothing at an address of the span; Modbus answers ILLEGAL DATA ADDRESS."""


class NotTaken(Exception):
    """The device does not take that value; Modbus answers ILLEGAL DATA VALUE."""


@dataclass(frozen=True)
class Field:
    """A value at `address` of `table`. `type` is "bit" or a key of FORMATS; `step` is what a count is worth.

    `order` names where the bytes A (highest) to D stand; eight-byte values swap likewise. `sentinel` is the bit
    pattern that stands for None, as a manual prints it. `limits` bound what may be written, in raw counts. Counters
    have step 1: their devices count in the unit of the register, so that nothing is lost.
    """

    name: str
    table: Table
    address: int
    type: str = "bit"
    step: float = 1.0
    order: str = "ABCD"
    sentinel: int | None = None
    limits: tuple[int, int] | None = None

    @property
    def length(self) -> int:
        return 1 if self.type == "bit" else struct.calcsize(FORMATS[self.type]) // 2

    def encode(self, value: Value) -> list[int]:
        """The registers, or the bit, that stand for `value`; out of range they hold the nearest that fits."""
        if self.type == "bit":
            return [int(bool(value))]
        code = ">" + FORMATS[self.type]
        size = struct.calcsize(code)
        if value is None:
            if self.sentinel is None:
                raise ValueError(f"{self.name} has no sentinel, and no value")
            packed = self.sentinel.to_bytes(size, "big")
        elif self.type[0] == "f":
            packed = struct.pack(code, float(value) / self.step)
        else:
            # Integers are not divided: a 64-bit counter does not fit into a float.
            raw = round(value) if self.step == 1.0 else round(value / self.step)
            span = 1 << 8 * size
            low = 0 if self.type[0] == "u" else -span // 2
            packed = struct.pack(code, max(low, min(low + span - 1, raw)))
        words = [int.from_bytes(packed[i : i + 2], "big") for i in range(0, size, 2)]
        if self.order in ("CDAB", "DCBA"):
            words.reverse()
        if self.order in ("BADC", "DCBA"):
            words = [(word & 0xFF) << 8 | word >> 8 for word in words]
        return words

    def decode_written(self, raw: int) -> int | bool:
        """One written register or bit; only such fields are writable. Raises NotTaken outside of `limits`."""
        if self.type == "bit":
            return bool(raw)
        if self.limits is not None and not self.limits[0] <= raw <= self.limits[1]:
            raise NotTaken(f"{self.name} takes {self.limits[0]}..{self.limits[1]}, not {raw}")
        return raw


class Layout:
    """The fields of a model by table. Holes between fields read as zero; behind the last one there is nothing."""

    def __init__(self, fields: Iterable[Field], writable: Iterable[str] = ()) -> None:
        self.fields = tuple(fields)
        self.writable = frozenset(writable)
        self._at: dict[tuple[Table, int], Field] = {}
        self._extent = dict.fromkeys(Table, 0)
        for field in self.fields:
            for address in range(field.address, field.address + field.length):
                if (field.table, address) in self._at:
                    raise ValueError(f"{field.name} overlaps {self._at[field.table, address].name}")
                self._at[field.table, address] = field
            self._extent[field.table] = max(self._extent[field.table], field.address + field.length)

    def touched(self, table: Table, address: int, count: int) -> list[Field]:
        """The fields that lie in the span, whole or in part. Raises NoSuchAddress behind the table's end."""
        if address + count > self._extent[table]:
            raise NoSuchAddress(
                f"{table} {address}..{address + count - 1}: the table ends at {self._extent[table] - 1}"
            )
        found = (self._at.get((table, at)) for at in range(address, address + count))
        return list(dict.fromkeys(field for field in found if field is not None))

    def read(self, table: Table, address: int, count: int, values: Mapping[str, Value]) -> list[int]:
        image = [0] * count
        for field in self.touched(table, address, count):
            for index, word in enumerate(field.encode(values[field.name]), field.address - address):
                if 0 <= index < count:
                    image[index] = word
        return image

    def written(self, table: Table, address: int, raws: Iterable[int]) -> list[tuple[str, int | bool]]:
        """What a write means, checked whole before any of it counts. Raises NoSuchAddress or NotTaken."""
        meant: list[tuple[str, int | bool]] = []
        for at, raw in enumerate(raws, address):
            field = self._at.get((table, at))
            if field is None or field.name not in self.writable:
                raise NoSuchAddress(f"{table} {at} is not writable")
            meant.append((field.name, field.decode_written(raw)))
        return meant
