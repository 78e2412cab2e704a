"""The cell a simulated module is in: whether it lets the module in, how long things take, what gets lost. Pure."""

from dataclasses import dataclass, field
from enum import IntEnum
from random import Random


class Status(IntEnum):
    """As +CEREG tells it (3GPP TS 27.007, 10.1.22)."""

    IDLE = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    ROAMING = 5


@dataclass
class Network:
    """Change it at will; modules look at it every few milliseconds.

    `registration_s` is how long the network takes to let a module in, from when its radio is on and it is `covered`.
    `loss` is the share of datagrams lost each way; a TCP segment that is lost comes later. `delay_s` is one way.
    """

    registration_s: float = 0.1
    covered: bool = True
    denied: bool = False
    roaming: bool = False
    delay_s: float = 0.0
    loss: float = 0.0
    rsrp_dbm: int = -89
    rsrq_db: int = -11
    snr_db: int = 13
    ecl: int = 0
    cell: int = 3535136
    earfcn: int = 3518
    pci: int = 22
    tac: str = "1F4A"
    rng: Random = field(default_factory=lambda: Random(1))

    def status(self, searching_s: float | None) -> Status:
        """Of a module that has had its radio on, with coverage, for `searching_s`; None while that is off."""
        if searching_s is None:
            return Status.IDLE
        if self.denied and self.covered:
            return Status.DENIED
        if not self.covered or searching_s < self.registration_s:
            return Status.SEARCHING
        return Status.ROAMING if self.roaming else Status.HOME

    @property
    def rssi_dbm(self) -> int:
        """Of the 12 subcarriers together, about 5 dB above one's."""
        return self.rsrp_dbm + 5

    def is_lost(self) -> bool:
        return self.loss > 0 and self.rng.random() < self.loss
