"""A device with telegrams of records. Written apart from drivers/, so that neither checks itself."""

from typing import ClassVar, NamedTuple

from protocols.mbus.codes import Function, Medium
from protocols.mbus.header import Header
from protocols.mbus.values import Missing
from protocols.mbus.values import Value as RecordValue
from protocols.mbus.variable import DECIMALS, INTEGERS, Form, Record, encode_record, encode_records
from protocols.mbus.vif import value_block
from sim_devices.models.base import Device

POWER_LOW, PERMANENT_ERROR = 0x04, 0x08  # status


class Place(NamedTuple):
    """Where value `name` stands: a record worth 10**`exponent` of `unit`. A counter has its value in its last digit,
    any other in `unit`; out of range it is the nearest that fits, and a counter begins again at 0."""

    name: str
    quantity: str
    unit: str
    exponent: int
    form: Form
    counter: bool = False
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    function: Function = Function.INSTANTANEOUS
    modifiers: bytes = b""

    def encode(self, value: float | None) -> bytes:
        whose = (self.function, self.storage, self.tariff, self.subunit, self.modifiers)
        record = Record(self.quantity, self.unit, self._fitting(value), self.exponent, *whose)
        return encode_record(record, value_block(self.quantity, self.unit, self.exponent, self.modifiers), self.form)

    def _fitting(self, value: float | None) -> RecordValue:
        if value is None:
            return Missing("no value")
        if self.form is Form.REAL32:
            return value / 10.0**self.exponent
        if self.counter:
            return int(value) % (self._highest + 1)
        lowest = -(10 ** (2 * DECIMALS[self.form] - 1)) + 1 if self.form in DECIMALS else -self._highest
        return max(lowest, min(self._highest, round(value / 10.0**self.exponent)))

    @property
    def _highest(self) -> int:
        return 10 ** (2 * DECIMALS[self.form]) - 1 if self.form in DECIMALS else (1 << 8 * INTEGERS[self.form] - 1) - 1


class RecordsDevice(Device):
    """An M-Bus slave. Subclasses say its MEDIUM and the TELEGRAMS it has; `fault` and `battery` among its values go
    into the status. `access` counts its answers."""

    PROTOCOL = "mbus"
    MANUFACTURER: ClassVar[str] = "HUT"
    VERSION: ClassVar[int] = 1
    MEDIUM: ClassVar[Medium]
    TELEGRAMS: ClassVar[tuple[tuple[Place, ...], ...]]
    access = 0

    def header(self, number: str) -> Header:
        status = POWER_LOW * bool(self.values.get("battery")) | PERMANENT_ERROR * bool(self.values.get("fault"))
        return Header(number, self.MANUFACTURER, self.VERSION, self.MEDIUM, self.access, status)

    def records(self, telegram: int) -> bytes:
        """Telegram `telegram`, and whether another follows."""
        places = self.TELEGRAMS[telegram]
        more = telegram + 1 < len(self.TELEGRAMS)
        return encode_records([place.encode(self.values[place.name]) for place in places], more=more)
