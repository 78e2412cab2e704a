"""What can be done to a simulated module and its network while it runs, by the name that `hutong-sim modem` knows."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sim_devices.modem.modem import Hang, Modem


class Action(NamedTuple):
    meaning: str
    do: Callable[[Modem], None]


def _hang(kind: Hang) -> Callable[[Modem], None]:
    return lambda modem: modem.hang(kind)


def _cover(covered: bool) -> Callable[[Modem], None]:
    def change(modem: Modem) -> None:
        modem.network.covered = covered
        modem.network.denied = False

    return change


def _deny(modem: Modem) -> None:
    modem.network.denied = True


ACTIONS: Mapping[str, Action] = {
    "hang": Action("answers nothing until its power is cycled", _hang(Hang.DEAD)),
    "hang-stack": Action("answers AT and refuses all else until it is told to reboot", _hang(Hang.STACK)),
    "hang-radio": Action("carries nothing until its radio is turned off and on", _hang(Hang.RADIO)),
    "hang-prompt": Action("takes all for data until an escape character", _hang(Hang.PROMPT)),
    "reboot": Action("reboots of itself; its sockets are gone", Modem.reboot),
    "brown-out": Action("sends garbage, then reboots", Modem.brown_out),
    "power-cycle": Action("loses its power and gets it back", Modem.power_cycle),
    "power-off": Action("loses its power", Modem.power_off),
    "lose-network": Action("is out of coverage", _cover(False)),
    "find-network": Action("is in coverage again, and let in", _cover(True)),
    "deny": Action("is no longer let into the network", _deny),
    "network": Action("stays as it is; --loss, --delay and --rsrp change its network", lambda _: None),
}
