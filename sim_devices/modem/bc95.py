"""A simulated BC95: datagrams that wait in the module until they are fetched, lengths in bytes."""

from collections.abc import Sequence

from protocols.at.text import unquote
from sim_devices.modem.common import COMMON, option
from sim_devices.modem.family import Family, Refusal
from sim_devices.modem.modem import Modem
from sim_devices.modem.sockets import Address, RadioSocket

UNKNOWN_POWER, UNKNOWN_ECL = -32768, 255
LONGEST = 512


def _open(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    if unquote(arguments[0]) != "DGRAM" or arguments[1] != "17":
        raise Refusal(50)
    return (str(modem.new_socket(stream=False, local_port=int(arguments[2])).number),)


def payload(length: str, digits: str) -> bytes:
    """Raises Refusal where the hexadecimal digits are not of that many bytes."""
    data = bytes.fromhex(unquote(digits))
    if len(data) != int(length) or not 1 <= len(data) <= LONGEST:
        raise Refusal(50)
    return data


def _send(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    number, host, port, length, digits = arguments
    data = payload(length, digits)
    if not modem.transmit(modem.socket(number), data, (unquote(host), int(port))):
        raise Refusal(None)
    return (f"{number},{len(data)}",)


def _fetch(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    number = modem.socket(arguments[0]).number
    waiting = modem.waiting[number]
    if not waiting:
        return ()
    (data, source), most = waiting.pop(0), int(arguments[1])
    if len(data) > most:
        waiting.insert(0, (data[most:], source))
        data = data[:most]
    rest = sum(len(each) for each, _ in waiting)
    return (f"{number},{source[0]},{source[1]},{len(data)},{data.hex().upper()},{rest}",)


def _close(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    modem.close_socket(modem.socket(arguments[0]).number)
    return ()


def _statistics(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    network, counters, known = modem.network, modem.counters, modem.is_registered
    return (
        f"Signal power:{network.rsrp_dbm * 10 if known else UNKNOWN_POWER}",
        f"Total power:{network.rssi_dbm * 10 if known else UNKNOWN_POWER}",
        f"TX power:{230 if counters.tx_ms else UNKNOWN_POWER}",
        f"TX time:{counters.tx_ms}",
        f"RX time:{counters.rx_ms}",
        f"Cell ID:{network.cell if known else 0}",
        f"ECL:{network.ecl if known else UNKNOWN_ECL}",
        f"SNR:{network.snr_db * 10 if known else UNKNOWN_POWER}",
        f"EARFCN:{network.earfcn}",
        f"PCI:{network.pci}",
        f"RSRQ:{network.rsrq_db * 10 if known else UNKNOWN_POWER}",
    )


def _message(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    payload(arguments[0], arguments[1])
    if not modem.platform:
        raise Refusal(513)
    return ()


def _message_status(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    return ("+NMSTATUS:" + ("MO_DATA_ENABLED" if modem.platform else "REGISTERING"),)


def _heard(modem: Modem, receiver: RadioSocket, data: bytes, source: Address) -> None:
    """Told once until all that waits has been fetched: who then fetches one datagram never hears of the others."""
    waiting = modem.waiting[receiver.number]
    waiting.append((data, source))
    if len(waiting) == 1:
        modem.say(f"+NSONMI:{receiver.number},{len(data)}")


def _ended(modem: Modem, ended: RadioSocket) -> None:
    modem.close_socket(ended.number)
    modem.say(f"+NSOCLI: {ended.number}")


def _slept(modem: Modem, asleep: bool) -> None:
    if modem.settings.options.get("NPSMR") == "1":
        modem.say(f"+NPSMR:{int(asleep)}")


BC95 = Family(
    name="bc95",
    banner=("REBOOT_CAUSE_SECURITY_PMU_POWER_ON_RESET", "Neul ", "OK"),
    reboot="+NRB",
    handlers={
        **COMMON,
        "+NSOCR=": _open,
        "+NSOST=": _send,
        "+NSORF=": _fetch,
        "+NSOCL=": _close,
        "+NSONMI=": option("NSONMI"),
        "+NPSMR=": option("NPSMR"),
        "+NUESTATS": _statistics,
        "+NMGS=": _message,
        "+NMSTATUS?": _message_status,
    },
    heard=_heard,
    ended=_ended,
    slept=_slept,
    colon=":",
    sockets=7,
)
