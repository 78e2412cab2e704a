"""The commands that all families take (3GPP TS 27.007)."""

from collections.abc import Callable, Mapping, Sequence

from protocols.at.text import unquote
from protocols.at.timers import decode_t3324, decode_t3412
from sim_devices.modem.family import Handler, Refusal
from sim_devices.modem.modem import Modem


def _nothing(_modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    return ()


def _echo(on: bool) -> Handler:
    def set_echo(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
        modem.line.echo = on
        return ()

    return set_echo


def option(name: str, allowed: Callable[[Sequence[str]], bool] = bool) -> Handler:
    """A setting that is kept, and forgotten at a reboot."""

    def keep(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
        if not allowed(arguments):
            raise Refusal(50)
        modem.settings.options[name] = ",".join(map(unquote, arguments))
        return ()

    return keep


def _numeric_errors(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    modem.settings.numeric_errors = int(arguments[0]) > 0
    return ()


def _tell_registration(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    if not 0 <= int(arguments[0]) <= 5:
        raise Refusal(50)
    modem.settings.cereg = int(arguments[0])
    return ()


def _registration(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    return (f"+CEREG{modem.family.colon}{modem.settings.cereg},{int(modem.status)}",)


def _attached(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    return (f"+CGATT{modem.family.colon}{int(modem.is_registered)}",)


def _attach(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    if arguments[0] == "0":
        modem.turn_radio(False)
    elif not modem.is_registered and modem.status == 0:
        modem.turn_radio(True)
    return ()


def _radio(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    if arguments[0] not in ("0", "1"):
        raise Refusal(50)
    on = arguments[0] == "1"
    if not (on and modem.status != 0):  # already on: nothing happens to the registration
        modem.turn_radio(on)
    return ()


def _signal(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    level = (modem.network.rssi_dbm + 113) // 2 if modem.is_registered else 99
    return (f"+CSQ{modem.family.colon}{min(level, 31) if level != 99 else 99},99",)


def _power_saving(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    if arguments[0] == "0":
        modem.settings.active_s = None
        return ()
    periodic, active = unquote(arguments[3]), unquote(arguments[4])
    decode_t3412(periodic)
    modem.settings.active_s = decode_t3324(active)
    modem.settings.powersave_bits = periodic, active
    modem.active()
    return ()


def _power_saving_told(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    periodic, active = modem.settings.powersave_bits
    on = int(modem.settings.active_s is not None)
    return (f'+CPSMS{modem.family.colon}{on},,,"{periodic}","{active}"',)


COMMON: Mapping[str, Handler] = {
    "": _nothing,
    "E0": _echo(False),
    "E1": _echo(True),
    "+CMEE=": _numeric_errors,
    "+CEREG=": _tell_registration,
    "+CEREG?": _registration,
    "+CGATT?": _attached,
    "+CGATT=": _attach,
    "+CFUN=": _radio,
    "+CSQ": _signal,
    "+CPSMS=": _power_saving,
    "+CPSMS?": _power_saving_told,
}
