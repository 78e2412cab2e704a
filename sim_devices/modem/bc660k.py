"""A simulated BC660K: UDP and TCP; payloads as text until "dataformat" asks for hexadecimal; lengths in bytes."""

from collections.abc import Callable, Sequence

from protocols.at.text import unquote
from sim_devices.modem.common import COMMON, option
from sim_devices.modem.family import Family, Later, Refusal
from sim_devices.modem.modem import Modem
from sim_devices.modem.sockets import Address, RadioSocket

LONGEST = 1024
NO_CONNECTION = 566  # socket connect failed


def _is_hex(modem: Modem) -> bool:
    return modem.settings.options.get("QICFG") == "dataformat,1,1"


def _open(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    _context, number, kind, host, port = arguments
    if unquote(kind) not in ("TCP", "UDP"):
        raise Refusal(50)
    made = modem.new_socket(unquote(kind) == "TCP", int(number))
    modem.say("OK")
    if not modem.is_registered:
        modem.close_socket(made.number)
        modem.say(f"+QIOPEN: {number},{NO_CONNECTION}")
        raise Later

    def connected(done: bool) -> None:
        modem.say(f"+QIOPEN: {number},{0 if done else NO_CONNECTION}")

    made.connect(unquote(host), int(port), connected)
    raise Later


def _send(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    sender, length = modem.socket(arguments[0]), int(arguments[1])
    if not 1 <= length <= LONGEST:
        raise Refusal(50)
    if len(arguments) == 2:
        modem.line.ask_for_data(length, _finish_sending(modem, sender))
        raise Later
    text = unquote(arguments[2])
    data = bytes.fromhex(text) if _is_hex(modem) else text.encode("latin-1")
    if len(data) != length:
        raise Refusal(50)
    _finish_sending(modem, sender)(data)
    raise Later


def _finish_sending(modem: Modem, sender: RadioSocket) -> Callable[[bytes | None], None]:
    def finish(data: bytes | None) -> None:
        modem.say("OK")
        if data is None:
            return
        sent = modem.transmit(sender, data)
        modem.say_later(modem.network.delay_s, "SEND OK" if sent else "SEND FAIL")

    return finish


def _close(modem: Modem, arguments: Sequence[str]) -> Sequence[str]:
    """A number that is not open closes as well: so it is with the real one."""
    if int(arguments[0]) in modem.sockets:
        modem.close_socket(int(arguments[0]))
    modem.say_later(0.0, "CLOSE OK")
    return ()


def _serving_cell(modem: Modem, _arguments: Sequence[str]) -> Sequence[str]:
    n = modem.network
    if not modem.is_registered:
        return (f'+QENG: 0,{n.earfcn},2,{n.pci},"",,,,,5,"",,,2',)
    figures = f"{n.rsrp_dbm},{n.rsrq_db},{n.rssi_dbm},{n.snr_db}"
    return (
        f'+QENG: 0,{n.earfcn},2,{n.pci},"{n.cell:08X}",{figures},5,"{n.tac}",{n.ecl},14,2',
        f"+QENG: 1,{n.earfcn},23,-104,-15",
    )


def _heard(modem: Modem, receiver: RadioSocket, data: bytes, _source: Address) -> None:
    text = data.hex() if _is_hex(modem) else data.decode("latin-1")
    modem.say(f'+QIURC: "recv",{receiver.number},{len(data)},"{text}"')


def _ended(modem: Modem, ended: RadioSocket) -> None:
    """The number stays taken until the host closes it."""
    modem.say(f'+QIURC: "closed",{ended.number}')


def _slept(modem: Modem, asleep: bool) -> None:
    if modem.settings.options.get("QNBIOTEVENT") == "1,1":
        modem.say('+QNBIOTEVENT: "ENTER PSM"' if asleep else '+QNBIOTEVENT: "EXIT PSM"')


BC660K = Family(
    name="bc660k",
    banner=("RDY",),
    reboot="+QRST=",
    handlers={
        **COMMON,
        "+QICFG=": option("QICFG", lambda arguments: unquote(arguments[0]) == "dataformat"),
        "+QNBIOTEVENT=": option("QNBIOTEVENT"),
        "+QIOPEN=": _open,
        "+QISEND=": _send,
        "+QICLOSE=": _close,
        "+QENG=": _serving_cell,
    },
    heard=_heard,
    ended=_ended,
    slept=_slept,
)
