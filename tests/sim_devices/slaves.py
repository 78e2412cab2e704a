"""Devices of a test as what they are."""

from sim_devices.modbus.device import RegisterDevice
from sim_devices.models.base import Device


def slave(device: Device) -> RegisterDevice:
    assert isinstance(device, RegisterDevice)
    return device
