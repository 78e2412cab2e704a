"""Devices of several protocols on one line, as meters of two kinds share one RS-485 pair. No sockets in here."""

import contextlib
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence

from protocols.errors import RemoteProtocolError
from sim_devices.clock import Now
from sim_devices.conversation import Conversation, Record, Slaves
from sim_devices.faults import Faults, Send
from sim_devices.lines import BUILTIN
from sim_devices.models.base import Device, Unit


def gather(
    units: Mapping[Unit, Device], faults: Faults, advance: Callable[[int], None], record: Record | None
) -> Slaves:
    """The slaves of a line, whatever its devices speak."""
    spoken = dict.fromkeys(device.PROTOCOL for device in units.values())
    found = [
        BUILTIN[protocol].gather(
            {unit: device for unit, device in units.items() if protocol == device.PROTOCOL}, faults, advance, record
        )
        for protocol in spoken
    ]
    return found[0] if len(found) == 1 else SharedSlaves(found)


class SharedSlaves:
    """Each protocol hears the whole line; what it does not understand is noise to it."""

    def __init__(self, parts: Sequence[Slaves]) -> None:
        self._parts = parts
        self.units: dict[Unit, Device] = {unit: device for part in parts for unit, device in part.units.items()}

    @property
    def requests(self) -> Mapping[str, int]:
        return ChainMap(*(dict(part.requests) for part in self._parts))

    def converse(self, kind: str) -> "SharedConversation":
        return SharedConversation([part.converse(kind) for part in self._parts])


class SharedConversation:
    def __init__(self, parts: Sequence[Conversation]) -> None:
        self._parts = parts

    def receive(self, data: bytes, now: Now) -> list[Send]:
        return self._all(lambda part: part.receive(data, now))

    def idle(self, now: Now) -> list[Send]:
        return self._all(lambda part: part.idle(now))

    def _all(self, hear: Callable[[Conversation], list[Send]]) -> list[Send]:
        sends: list[Send] = []
        for part in self._parts:
            with contextlib.suppress(RemoteProtocolError):
                sends += hear(part)
        return sends
