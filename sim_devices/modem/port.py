"""A simulated module's serial port: a pty that a driver opens, on which the module also speaks unasked."""

from collections.abc import Mapping
from pathlib import Path

from sim_devices.clock import Clock, Now
from sim_devices.conversation import Conversation
from sim_devices.faults import Send
from sim_devices.models.base import Device, Unit
from sim_devices.modem.family import Family
from sim_devices.modem.modem import Modem
from sim_devices.modem.network import Network
from sim_devices.servers import PtyServer


class _Typing:
    """The conversation of a line on which nothing is asked and answered frame by frame."""

    def __init__(self, modem: Modem) -> None:
        self._modem = modem

    def receive(self, data: bytes, _now: Now) -> list[Send]:
        self._modem.receive(data)
        return []

    def idle(self, _now: Now) -> list[Send]:
        return []


class _OneModem:
    """A line without units."""

    units: Mapping[Unit, Device] = {}
    requests: Mapping[str, int] = {}

    def __init__(self) -> None:
        self.modem: Modem | None = None

    def converse(self, _kind: str) -> Conversation:
        assert self.modem is not None  # noqa: S101 - start() has made it
        return _Typing(self.modem)


class ModemPort(PtyServer):
    """`modem` is there, and its power on, from start() to close(). The pty stays as the module reboots."""

    def __init__(
        self,
        name: str,
        link: Path,
        family: Family,
        network: Network,
        *,
        boot_s: float = 0.1,
        haste: float = 1.0,
    ) -> None:
        self._one = _OneModem()
        super().__init__(name, link, 0, self._one, Clock().now)
        self._family, self._network = family, network
        self._boot_s, self._haste = boot_s, haste

    @property
    def modem(self) -> Modem:
        assert self._one.modem is not None  # noqa: S101 - between start() and close()
        return self._one.modem

    async def start(self) -> None:
        self._one.modem = Modem(self._family, self._network, self.say, boot_s=self._boot_s, haste=self._haste)
        await super().start()
        self.modem.power_on()

    async def close(self) -> None:
        if self._one.modem is not None:
            self._one.modem.close()
        await super().close()
