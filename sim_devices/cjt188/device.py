"""A device with a record. Written apart from drivers/, so that neither checks itself."""

from datetime import datetime, timedelta, timezone
from typing import ClassVar

from protocols.cjt188.records import Field, Record, Status, Value, encode_record
from sim_devices.models.base import Device

LOCAL = timezone(timedelta(hours=8))  # a meter's clock shows Beijing's time


class RecordDevice(Device):
    """A CJ/T 188 slave. Subclasses say the TYPE of meter, its LAYOUT, the UNITS in it by field, and its COUNTERS.

    `values` hold counters in their last digit and other values in their unit; `valve` and `battery` are states.
    `clock_s` is the Unix time that the meter's clock shows.
    """

    PROTOCOL = "cjt188"
    TYPE: ClassVar[int]
    LAYOUT: ClassVar[tuple[Field, ...]]
    UNITS: ClassVar[dict[str, int]]
    COUNTERS: ClassVar[tuple[str, ...]]
    clock_s = 0.0

    def record(self) -> bytes:
        values = {field.name: self._value(field) for field in self.LAYOUT}
        status = int(self.values.get("valve") or 0) | int(self.values["battery"] or 0) << 2
        clock = datetime.fromtimestamp(int(self.clock_s), LOCAL).replace(tzinfo=None)
        return encode_record(self.LAYOUT, Record(values, clock, Status(bytes((status, 0)))))

    def _value(self, field: Field) -> Value:
        """Out of range it is the nearest that fits, and a counter begins again at 0."""
        value, unit = self.values[field.name], self.UNITS.get(field.name, 0xFF)
        if value is None:
            return Value(None, unit)
        if field.name in self.COUNTERS:
            return Value(int(value) % (field.format.highest + 1), unit)
        return Value(max(0, min(field.format.highest, round(value * 10**field.format.decimals))), unit)
