"""The frames in what a line carried, and what each says in words. Pure.

Bytes in which no frame is found are kept, as parts that are no frame: they are what a fault shows itself by.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from protocols.errors import ProtocolError
from protocols.stream import NEED_DATA
from protocols.trace import Piece, Recording

WAKES = "wakes the receiver"
APART_US = 60_000  # two pieces closer than that are one burst: USB adapters hand over what they have every 16 ms


class Burst(NamedTuple):
    """What went one way without a longer pause. `ends_us` is when its last piece came."""

    t_us: int
    ends_us: int
    sent: bool
    data: bytes


class Part(NamedTuple):
    """A frame, or bytes between frames. `unit` is whom it names, "" where it names nobody."""

    data: bytes
    good: bool
    unit: str
    words: str


class Seen(NamedTuple):
    t_us: int
    sent: bool
    part: Part


class Language(NamedTuple):
    """How a protocol is read: `decode` gives the frames in bytes that will not go on, `encode` what they are on the
    line; `unit` and `words` tell of one frame. The third argument of `words` is the frame it may answer."""

    decode: Callable[[bytes, bool], tuple[list[Any], str]]
    encode: Callable[[Any], bytes]
    unit: Callable[[Any], str]
    words: Callable[[Any, bool, Any], str]


def bursts(recording: Recording) -> list[Burst]:
    found: list[Burst] = []
    for entry in recording.entries:
        if not isinstance(entry, Piece):
            continue
        last = found[-1] if found else None
        if last is not None and last.sent == entry.sent and entry.t_us - last.ends_us <= APART_US:
            found[-1] = last._replace(ends_us=entry.t_us, data=last.data + entry.data)
        else:
            found.append(Burst(entry.t_us, entry.t_us, entry.sent, entry.data))
    return found


class Reader:
    """Reads one line's bursts in their order: what answers what. Unless it is `alone` on its line, other families are
    understood as well."""

    def __init__(self, driver: str, alone: bool = False) -> None:
        own = LANGUAGES.get(family_of(driver))
        shared = family_of(driver) in SERIAL and not alone
        others = [language for language in SERIAL.values() if language is not own] if shared else []
        self._languages = ([own] if own else []) + others
        self._asked: dict[int, Any] = {}  # the last request, by transaction where there is such a thing
        self._sent = b""

    def read(self, burst: Burst) -> list[Part]:
        data, parts = burst.data, []
        if burst.sent:
            self._sent = data
        elif self._sent and data.startswith(self._sent):
            parts.append(Part(self._sent, False, "", "echo of what was sent"))
            data = data[len(self._sent) :]
            if not data:
                return parts
        best: list[Part] = []
        for language in self._languages:
            found = self._cut(language, data, burst.sent)
            if not best or sum(part.good for part in found) > sum(part.good for part in best):
                best = found
            if any(part.good for part in best):
                break
        return parts + (best or [Part(data, True, "", _text(data))])

    def _cut(self, language: Language, data: bytes, sent: bool) -> list[Part]:
        frames, fault = language.decode(data, sent)
        parts: list[Part] = []
        at = 0
        for frame in frames:
            form = language.encode(frame)
            begin = data.find(form, at)
            if begin < 0:
                continue
            if begin > at:
                parts.append(noise(data[at:begin], ""))
            try:
                transaction = getattr(frame, "transaction", 0)
                if sent:
                    self._asked[transaction] = frame
                words = language.words(frame, sent, self._asked.get(transaction))
            except ProtocolError as error:
                words = str(error)
            parts.append(Part(form, True, language.unit(frame), words))
            at = begin + len(form)
        if at < len(data):
            parts.append(noise(data[at:], fault))
        return parts


def noise(data: bytes, fault: str) -> Part:
    if not data.strip(b"\xfe"):
        return Part(data, True, "", WAKES)
    return Part(data, False, "", f"no frame: {fault}" if fault else f"no frame: {len(data)} bytes")


def seen(recording: Recording) -> Iterator[Seen]:
    reader = Reader(recording.about.driver)
    for burst in bursts(recording):
        for part in reader.read(burst):
            yield Seen(burst.t_us, burst.sent, part)


def family_of(driver: str) -> str:
    return driver.removesuffix("-over-tcp")


def _drain(decoder: Any, data: bytes) -> tuple[list[Any], str]:
    frames: list[Any] = []
    fault = ""
    decoder.receive_data(data)
    if hasattr(decoder, "line_idle"):
        decoder.line_idle()
    while True:
        try:
            frame = decoder.next_frame()
        except ProtocolError as error:
            if fault:
                return frames, fault  # a stream that is past saving says the same again
            fault = str(error)
            continue
        if frame is NEED_DATA:
            return frames, fault
        frames.append(frame)


def _text(data: bytes) -> str:
    return data.decode("ascii", "backslashreplace").encode("unicode_escape").decode()


def _modbus_words(frame: Any, sent: bool, asked: Any) -> str:
    from protocols.modbus.codes import EXCEPTION_BIT, describe_exception
    from protocols.modbus.parse import parse_request, parse_response
    from protocols.modbus.pdu import ReadBits, ReadBitsResponse, ReadRegisters, ReadRegistersResponse

    if sent:
        request = parse_request(frame.pdu)
        if isinstance(request, ReadBits | ReadRegisters):
            what = request.function.name.lower().replace("_", " ")
            last = request.address + request.quantity - 1
            return f"{what} {request.address}" + (f" to {last}" if request.quantity > 1 else "")
        return _call(request)
    if frame.pdu[0] & EXCEPTION_BIT and len(frame.pdu) == 2:
        return f"refused: {describe_exception(frame.pdu[1])}"
    if asked is None:
        return f"answer of {len(frame.pdu)} bytes"
    response = parse_response(frame.pdu, parse_request(asked.pdu))
    if isinstance(response, ReadRegistersResponse):
        return "= " + " ".join(f"{register:04x}" for register in response.registers)
    if isinstance(response, ReadBitsResponse):
        return "= bits " + response.data.hex(" ")
    return "done: " + _call(response)


def _call(message: Any) -> str:
    text = repr(message)
    return text[:100]


def _dlt645_words(frame: Any, sent: bool, asked: Any) -> str:  # noqa: ARG001
    from protocols.dlt645.messages import DI_BYTES, FAILED, MORE, REPLY, Control, Refusal

    if frame.control & FAILED and frame.data:
        return f"refused: {Refusal(frame.data[0]).reason}"
    command = frame.control & ~(REPLY | MORE)
    name = Control(command).name.lower().replace("_", " ") if command in set(Control) else f"control {command:02X}"
    datum = frame.data[DI_BYTES - 1 :: -1].hex().upper() if len(frame.data) >= DI_BYTES else ""
    rest = frame.data[DI_BYTES:]
    if not frame.control & REPLY:
        return f"{name} {datum}".strip()
    more = ", more follows" if frame.control & MORE else ""
    return f"{datum} = {rest.hex(' ')}{more}" if datum else f"{name} done"


def _cjt188_words(frame: Any, sent: bool, asked: Any) -> str:  # noqa: ARG001
    from protocols.cjt188.messages import FAILED, REPLY, Control

    if frame.control & FAILED:
        return f"refused: {frame.data.hex(' ')}"
    command = frame.control & ~REPLY
    name = Control(command).name.lower().replace("_", " ") if command in set(Control) else f"control {command:02X}"
    head, rest = frame.data[:3].hex(" "), frame.data[3:].hex(" ")
    return f"type {frame.type:02X}, {name} {head}" + (f" = {rest}" if rest else "")


def _mbus_words(frame: Any, sent: bool, asked: Any) -> str:  # noqa: ARG001
    from protocols.mbus.frame import Ack, LongFrame
    from protocols.mbus.telegram import ApplicationFault, parse_telegram

    if isinstance(frame, Ack):
        return "acknowledged"
    if not isinstance(frame, LongFrame):
        return {0x40: "initialise", 0x5B: "request data"}.get(frame.control & ~0x20, f"control {frame.control:02X}")
    if sent:
        return f"control {frame.control:02X}, CI {frame.ci:02X}, {len(frame.data)} bytes"
    telegram = parse_telegram(frame)
    if isinstance(telegram, ApplicationFault):
        return f"refused: {telegram.reason}"
    header = telegram.header
    return f"{header.manufacturer} {header.number}, medium {header.medium:02X}, {len(telegram.records)} records"


def _decode_rtu(data: bytes, sent: bool) -> tuple[list[Any], str]:
    from protocols.modbus.rtu import RtuRequestDecoder, RtuResponseDecoder

    return _drain(RtuRequestDecoder() if sent else RtuResponseDecoder(), data)


def _encode_rtu(frame: Any) -> bytes:
    from protocols.modbus.rtu import encode_rtu

    return encode_rtu(frame)


def _decode_tcp(data: bytes, sent: bool) -> tuple[list[Any], str]:  # noqa: ARG001
    from protocols.modbus.tcp import TcpDecoder

    return _drain(TcpDecoder(), data)


def _encode_tcp(frame: Any) -> bytes:
    from protocols.modbus.tcp import encode_tcp

    return encode_tcp(frame)


def _decode_with(module: str) -> Callable[[bytes, bool], tuple[list[Any], str]]:
    def decode(data: bytes, _: bool) -> tuple[list[Any], str]:
        from importlib import import_module

        return _drain(import_module(module).FrameDecoder(), data)

    return decode


def _encode_sum(protocol: str) -> Callable[[Any], bytes]:
    def encode(frame: Any) -> bytes:
        from importlib import import_module

        form: bytes = import_module(f"protocols.{protocol}.frame").encode_frame(frame, wake=0)
        return form

    return encode


def _encode_mbus(frame: Any) -> bytes:
    from protocols.mbus.frame import encode_frame

    return encode_frame(frame)


def _mbus_unit(frame: Any) -> str:
    return str(getattr(frame, "address", ""))


SERIAL: Mapping[str, Language] = {
    "modbus-rtu": Language(_decode_rtu, _encode_rtu, lambda frame: str(frame.unit), _modbus_words),
    "dlt645": Language(
        _decode_with("protocols.dlt645.frame"), _encode_sum("dlt645"), lambda frame: str(frame.address), _dlt645_words
    ),
    "cjt188": Language(
        _decode_with("protocols.cjt188.frame"), _encode_sum("cjt188"), lambda frame: str(frame.address), _cjt188_words
    ),
    "mbus": Language(_decode_with("protocols.mbus.decoder"), _encode_mbus, _mbus_unit, _mbus_words),
}
LANGUAGES: Mapping[str, Language] = {
    **SERIAL,
    "modbus-tcp": Language(_decode_tcp, _encode_tcp, lambda frame: str(frame.unit), _modbus_words),
}
