"""A simulated SIM7020: UDP and TCP, and lengths that count hexadecimal digits."""

from collections.abc import Sequence

from protocols.at.text import unquote
from sim_devices.modem.common import COMMON, option
from sim_devices.modem.family import Family, Later, Refusal
from sim_devices.modem.modem import Modem
from sim_devices.modem.sockets import Address, RadioSocket

MOST_DIGITS = 1024
UNKNOWN_POWER, UNKNOWN_ECL = -32768, 255
BROKEN = 4  # of +CSOERR: the connection is gone


def _open(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    _domain, kind, _protocol = arguments
    if kind not in ("1", "2"):
        raise Refusal(50)
    return (f"+CSOC: {modem.new_socket(kind == '1').number}",)


def _connect(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    number, port, host = arguments
    made = modem.socket(number)
    if not modem.is_registered:
        raise Refusal(None)

    def connected(done: bool) -> None:
        if done:
            modem.answer(())
        else:
            modem.refuse(None)

    made.connect(unquote(host), int(port), connected)
    raise Later


def _send(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    """A length of 0 announces text in quotes; any other counts the digits that follow."""
    number, length, content = arguments
    if length == "0":
        data = unquote(content).encode("latin-1")
    elif len(unquote(content)) == int(length) <= MOST_DIGITS:
        data = bytes.fromhex(unquote(content))
    else:
        raise Refusal(50)
    if not modem.transmit(modem.socket(number), data):
        raise Refusal(None)
    return ()


def _close(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    modem.close_socket(modem.socket(arguments[0]).number)
    return ()


def _serving_cell(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    n = modem.network
    if not modem.is_registered:
        return (f'+CENG: {n.earfcn},2,{n.pci},"",,,,,8,"",{UNKNOWN_ECL},{UNKNOWN_POWER},',)
    power = 230 if modem.counters.tx_ms else UNKNOWN_POWER
    figures = f"{n.rsrp_dbm},{n.rsrq_db},{n.rssi_dbm},{n.snr_db}"
    return (f'+CENG: {n.earfcn},2,{n.pci},"{n.cell:08X}",{figures},8,"{n.tac}",{n.ecl},{power},{n.rsrp_dbm}',)


def _heard(modem: Modem, receiver: RadioSocket, data: bytes, _source: Address) -> None:
    modem.say(f"+CSONMI: {receiver.number},{2 * len(data)},{data.hex().upper()}")


def _ended(modem: Modem, ended: RadioSocket) -> None:
    modem.close_socket(ended.number)
    modem.say(f"+CSOERR: {ended.number},{BROKEN}")


def _slept(modem: Modem, asleep: bool) -> None:
    if modem.settings.options.get("CPSMSTATUS") == "1":
        modem.say('+CPSMSTATUS: "ENTER PSM"' if asleep else '+CPSMSTATUS: "EXIT PSM"')


SIM7020 = Family(
    name="sim7020",
    banner=("RDY", "+CFUN: 1", "+CPIN: READY"),
    reboot="+CRESET",
    handlers={
        **COMMON,
        "+CSOC=": _open,
        "+CSOCON=": _connect,
        "+CSOSEND=": _send,
        "+CSOCL=": _close,
        "+CSORCVFLAG=": option("CSORCVFLAG", lambda arguments: arguments[0] == "0"),
        "+CPSMSTATUS=": option("CPSMSTATUS"),
        "+CENG?": _serving_cell,
    },
    heard=_heard,
    ended=_ended,
    slept=_slept,
)
