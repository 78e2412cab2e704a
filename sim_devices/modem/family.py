"""What a family of modules is to the simulated module: its words, and what its commands do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim_devices.modem.sockets import Address, RadioSocket

if TYPE_CHECKING:
    from sim_devices.modem.modem import Modem


class Refusal(Exception):
    """The command fails; with +CME ERROR and `code` once the host has asked for numbers."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


class Later(Exception):
    """The final result comes when what was begun is done: the handler has arranged for `Modem.answer`."""


Handler = Callable[["Modem", Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class Family:
    """`banner` is what is said at power-on; handlers are by command, with its `?` or `=`. They return information
    lines, or raise Refusal or Later. `heard`, `ended` and `slept` say what comes unasked.
    """

    name: str
    banner: Sequence[str]
    reboot: str
    handlers: Mapping[str, Handler]
    heard: Callable[["Modem", RadioSocket, bytes, Address], None]
    ended: Callable[["Modem", RadioSocket], None]
    slept: Callable[["Modem", bool], None]
    colon: str = ": "
    sockets: int = 5
