"""What a simulated line is to the sockets that serve it, whatever its protocol. No sockets in here."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from sim_devices.clock import Now
from sim_devices.faults import Fault, Faults, Send
from sim_devices.models.base import Device, Unit

# Told of every read that was answered: what was asked and said, and the fault that was done to the answer.
Record = Callable[[Now, Unit, Device, Mapping[str, Any], Fault | None], None]


class Conversation(Protocol):
    """One client on one line. RemoteProtocolError from `receive` means that the connection is past saving."""

    def receive(self, data: bytes, now: Now) -> list[Send]: ...

    def idle(self, now: Now) -> list[Send]:
        """The line fell silent: half a frame will not be continued."""
        ...


@runtime_checkable
class Speaker(Protocol):
    """A conversation in which the devices also speak of themselves, every `every_s`; 0 for those that do not."""

    every_s: float

    def speak(self, now: Now) -> list[Send]: ...


class Slaves(Protocol):
    """The devices of one line by unit. `requests` counts by device code."""

    @property
    def units(self) -> Mapping[Unit, Device]: ...

    @property
    def requests(self) -> Mapping[str, int]: ...

    def converse(self, kind: str) -> Conversation:
        """`kind` is how the line is reached, one of the protocol's kinds."""
        ...


class LineProtocol(NamedTuple):
    """`kinds` are the ways such a line is reached: tcp, rtu-over-tcp, serial-over-tcp, pty, push. `unit` gives a unit
    in its one spelling, or raises ValueError with what would be right. `gather` makes the slaves of a line; its third
    argument is to be called with the simulated time before a device is looked at."""

    kinds: tuple[str, ...]
    unit: Callable[[Unit], Unit]
    gather: Callable[[Mapping[Unit, Device], Faults, Callable[[int], None], Record | None], Slaves]
