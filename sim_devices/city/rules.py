"""What the gateways of the demonstration block capture: how a motor starts, which its channel's despiker hides."""

from collections.abc import Iterator
from typing import Any

from sim_devices.city.parts import Device, Gateway

CAPTURED: dict[str, tuple[str, ...]] = {
    "sump_pump": ("motor_current",),  # several times the rated current for a second
    "fan": ("vibration", "speed"),
}
BEFORE_S, AFTER_S = 10.0, 40.0


def rules(gateway: Gateway) -> Iterator[tuple[str, dict[str, Any]]]:
    """Heads and entries of TOML tables."""
    for device in (device for bus in gateway.buses for device in bus.devices):
        if channels := CAPTURED.get(device.simulated or device.model):
            yield from _start(device, channels)


def _start(device: Device, channels: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "[[rule]]", {"name": f"{device.name} starts"}
    yield "[rule.when]", {"device": device.code, "channel": "running", "equals": 1}
    yield "[[rule.event]]", {"kind": "motor-start", "severity": 0}
    yield (
        "[[rule.capture]]",
        {"device": device.code, "channels": list(channels), "before_s": BEFORE_S, "after_s": AFTER_S},
    )
