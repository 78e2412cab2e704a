"""A simulated device that stands still, for drivers.conformance: bytes in, bytes out."""

from collections.abc import Callable, Mapping

import numpy as np

from sim_devices.clock import Now
from sim_devices.conversation import LineProtocol
from sim_devices.faults import Fault, Faults, Kind
from sim_devices.models.base import Device, Options, Unit, Value

HONEST = "honest"
ONE_MOMENT = Now(0.0, 0, 0)


class Simulated:
    """A drivers.conformance.Device: those of one line, whose values nobody moves. `kind` is one of the protocol's."""

    def __init__(self, protocol: LineProtocol, kind: str, units: Mapping[Unit, Device]) -> None:
        self._protocol, self._kind, self._units = protocol, kind, units

    def begin(self, act: str) -> Callable[[bytes], bytes]:
        """`act` is HONEST or a kind of fault."""
        faults = Faults(seed=0)
        if act != HONEST:
            for device in self._units.values():
                faults.add(device.code, Fault(Kind(act)))
        slaves = self._protocol.gather(self._units, faults, lambda _: None, None)
        conversation = slaves.converse(self._kind)
        return lambda data: b"".join(send.data for send in conversation.receive(data, ONE_MOMENT))


def standing_still(model: type[Device], values: Mapping[str, Value], code: str = "device") -> Device:
    """A device with exactly these values, in no world."""
    device = model(code, Options(), np.random.default_rng(0))
    device.values.update(values)
    return device
