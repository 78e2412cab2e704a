"""What must hold before a channel of a device is written, whoever asks: of its motor, its gate, its breaker. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from protocols.edge.requirement import Requirement

if TYPE_CHECKING:
    from protocols.edge.messages import Command  # numpy comes with it


@dataclass(frozen=True)
class Interlock:
    """Guards the writing of `value` to `channel`, of any value where it is None. Between two such writes lie `pause_ms`
    at least."""

    channel: str
    value: Decimal | None
    requires: tuple[Requirement, ...]
    pause_ms: int

    def guards(self, command: "Command") -> bool:
        return self.channel == command.channel and self.value in (None, command.value)


class Interlocks:
    """Of all devices, by code. Times are CLOCK_BOOTTIME in ms."""

    def __init__(self, by_device: Mapping[str, Sequence[Interlock]], now: int) -> None:
        self._by_device = by_device
        self._began = now  # what was written just before a restart is not remembered: it counts as written then
        self._written: dict[tuple[str, Interlock], int] = {}

    def exchange(self, by_device: Mapping[str, Sequence[Interlock]], now: int) -> None:
        """From now on these. One that was not here before knows of no writes: it counts as written now."""
        for code, locks in by_device.items():
            fresh = set(locks) - set(self._by_device.get(code, ()))
            self._written.update({(code, lock): now for lock in fresh})
        self._by_device = by_device

    def needs(self, command: "Command") -> tuple[Requirement, ...]:
        """The command's own requirements, then those of the device."""
        return (*command.requires, *(need for lock in self._of(command) for need in lock.requires))

    def rest_ms(self, command: "Command", now: int) -> int:
        """For how long this must not be written yet; 0 if it may be now."""
        return max((self._rest_ms(command.device, lock, now) for lock in self._of(command)), default=0)

    def written(self, command: "Command", now: int) -> None:
        for lock in self._of(command):
            self._written[command.device, lock] = now

    def _rest_ms(self, device: str, lock: Interlock, now: int) -> int:
        return max(0, self._written.get((device, lock), self._began) + lock.pause_ms - now)

    def _of(self, command: "Command") -> list[Interlock]:
        return [lock for lock in self._by_device.get(command.device, ()) if lock.guards(command)]
