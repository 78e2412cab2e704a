"""A configured module: [[modem]] of a simulation's file (docs/simulators.md)."""

from dataclasses import dataclass
from pathlib import Path

from sim_devices.modem.families import FAMILIES
from sim_devices.modem.network import Network
from sim_devices.modem.port import ModemPort


@dataclass(frozen=True)
class ModemConfig:
    """`registration_s` is how long its network takes to let it in; delays are one way."""

    name: str
    family: str
    link: Path
    registration_s: float = 3.0
    delay_s: float = 0.1
    loss: float = 0.0
    rsrp_dbm: int = -89

    def port(self) -> ModemPort:
        network = Network(
            registration_s=self.registration_s, delay_s=self.delay_s, loss=self.loss, rsrp_dbm=self.rsrp_dbm
        )
        return ModemPort(self.name, self.link, FAMILIES[self.family], network, boot_s=1.0)
