"""Puts any driver through what devices and lines do to it, as docs/conformance.md tells."""

from drivers.conformance.subject import Act, Device, DriverUnderTest, Golden, Later

__all__ = ["Act", "Device", "DriverUnderTest", "Golden", "Later"]
