"""A device that measures, and pushes what it measured as SenML."""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from protocols.senml.record import Record, Value
from sim_devices.models.base import Device, Unit


class SenmlDevice(Device):
    """Subclasses name the UNITS of their records, and the RECORDS of values that are called otherwise."""

    PROTOCOL = "coap"
    UNITS: ClassVar[Mapping[str, str]]
    RECORDS: ClassVar[Mapping[str, str]] = {}

    def measured(self) -> dict[str, Value]:
        """By record. Floats stand for the decimals that they print as."""
        return {
            self.RECORDS.get(name, name): Decimal(repr(value)) if isinstance(value, float) else value
            for name, value in self.values.items()
            if value is not None
        }

    def is_urgent(self, before: dict[str, Value], now: dict[str, Value]) -> bool:  # noqa: ARG002
        """Whether what is measured `now` cannot wait for the next report."""
        return False

    def records(self, unit: Unit, measured: Mapping[str, Value], time_ms: int) -> list[Record]:
        """As they are sent: all of one moment, in UTC, under the device's own name."""
        named = [Record(name=name, unit=self.UNITS.get(name), value=value) for name, value in measured.items()]
        first = named[0]
        base = Record(first.name, first.unit, first.value, base_name=f"{unit}:", base_time=Decimal(time_ms).scaleb(-3))
        return [base, *named[1:]]
