"""A device with register tables."""

from collections.abc import Sequence
from typing import ClassVar

from sim_devices.modbus.registers import Field, Layout, Table
from sim_devices.models.base import Device


class RegisterDevice(Device):
    """A Modbus slave. Subclasses say the LAYOUT of their values."""

    PROTOCOL = "modbus"
    LAYOUT: ClassVar[Layout]

    def read(self, table: Table, address: int, count: int) -> list[int]:
        """Raises NoSuchAddress."""
        self.touched(self.LAYOUT.touched(table, address, count))
        return self.LAYOUT.read(table, address, count, self.values)

    def touched(self, fields: list[Field]) -> None:
        """A request is about to read these."""

    def write(self, table: Table, address: int, raws: Sequence[int]) -> None:
        """Takes effect at once in what is read back, and from the next step in the world. Raises NoSuchAddress or
        NotTaken, with nothing written."""
        for name, value in self.LAYOUT.written(table, address, raws):
            setattr(self, name, value)
            self.values[name] = value
