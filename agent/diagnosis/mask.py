"""What never leaves the gateway in a trace: passwords, operators' codes, and what a modem carries for others.

Lengths stay as they are, so that frames remain frames; sums are made anew, since they would tell of what was masked.
"""

import re
from collections.abc import Iterable, Iterator

from protocols.dlt645.frame import OFFSET
from protocols.dlt645.messages import DI_BYTES, SECRET_BYTES, Control
from protocols.sum_frames import START, TAIL, close_frame
from protocols.trace import Entry, Piece

MASKED = 0x2A  # "*"
HEAD = 10  # of a DL/T 645 frame, to its data
CLEARING = (0x18, 0x19, 0x1A, 0x1B)  # DL/T 645, 7: new password, and clearing; all of their data is one or asks for one
# What AT commands say that tells nothing but how the link does; of all others only the name is kept.
HARMLESS = re.compile(
    rb"AT\+(?:CEREG|CFUN|CSCON|CPSMS|CEDRXS|CGATT|CMEE|NUESTATS|QENG|CSQ|CESQ|NCONFIG|QSCLK|CIPSTATUS)\b|AT(?:E\d)?\r?\n?$"
)
COMMAND = re.compile(rb"(AT[+&A-Z0-9]*)(.*)", re.DOTALL)
LONG_HEX = re.compile(rb"[0-9A-Fa-f]{14,}")  # payloads, and the numbers of modules and cards


def mask(entries: Iterable[Entry], driver: str) -> Iterator[Entry]:
    """`driver` is the family that spoke on the line."""
    if driver == "nbiot":
        yield from _mask_modem(list(entries))
        return
    for entry in entries:
        if isinstance(entry, Piece) and START in entry.data:
            entry = entry._replace(data=mask_meter(entry.data))
        yield entry


def mask_meter(data: bytes) -> bytes:
    """The secrets in frames of DL/T 645 that stand whole in `data`."""
    at = 0
    while (at := data.find(START, at)) >= 0 and len(data) >= at + HEAD:
        control, length = data[at + HEAD - 2], data[at + HEAD - 1]
        end = at + HEAD + length + TAIL
        if data[at + 7] != START or end > len(data):
            at += 1
            continue
        secret = _secret(control, length)
        if secret:
            body = bytearray(data[at : end - TAIL])
            body[HEAD + secret.start : HEAD + secret.stop] = bytes([(MASKED + OFFSET) & 0xFF]) * len(secret)
            data = data[:at] + close_frame(bytes(body)) + data[end:]
        at = end
    return data


def _secret(control: int, length: int) -> range:
    """Where they stand in a frame's data."""
    if control == Control.WRITE:
        return range(DI_BYTES, length)  # what is written may be a key
    if control == Control.SWITCH:
        return range(min(2 * SECRET_BYTES, length))
    if control in CLEARING:
        return range(length)
    return range(0)


def _mask_modem(entries: list[Entry]) -> Iterator[Entry]:
    """What was heard is looked at whole: a payload comes in pieces."""
    heard = b"".join(entry.data for entry in entries if isinstance(entry, Piece) and not entry.sent)
    heard = LONG_HEX.sub(_stars, heard)
    at = 0
    for entry in entries:
        if isinstance(entry, Piece):
            if entry.sent:
                entry = entry._replace(data=mask_command(entry.data))
            else:
                end = at + len(entry.data)
                entry, at = entry._replace(data=heard[at:end]), end
        yield entry


def mask_command(data: bytes) -> bytes:
    """What we say to a modem: the name of a command, and its arguments only where they are harmless."""
    if HARMLESS.match(data):
        return data
    found = COMMAND.fullmatch(data)
    name, rest = found.groups() if found else (b"", data)
    end = rest[len(rest.rstrip(b"\r\n")) :]
    return name + bytes([MASKED]) * (len(rest) - len(end)) + end


def _stars(found: re.Match[bytes]) -> bytes:
    return bytes([MASKED]) * len(found[0])
