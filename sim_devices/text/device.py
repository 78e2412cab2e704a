"""A device that says its values in lines of text."""

from typing import ClassVar

from sim_devices.models.base import Device, Unit


class TextDevice(Device):
    """Subclasses write `line`, without its end. With EVERY_S they send it of themselves, else when `hears` is true."""

    PROTOCOL = "lines"
    EVERY_S: ClassVar[float] = 0.0

    def line(self, unit: Unit) -> bytes:
        raise NotImplementedError

    def spoiled(self, unit: Unit) -> bytes:
        """A line that its receiver must refuse: here, one with something else for a number."""
        whole = self.line(unit)
        at = max(whole.rfind(b"."), 1) - 1
        return whole[:at] + b"#" + whole[at + 1 :]

    def hears(self, question: bytes, unit: Unit) -> bool:  # noqa: ARG002
        """Whether `question`, without its line end, asks this device."""
        return False
