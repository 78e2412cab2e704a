"""A recording of what a line carried, as a gateway writes it and a simulator plays it: one JSON object a line.

A header begins each line's part; behind it stand, in the order of time:

{"trace": 1, "bus": ..., "driver": ..., "address": ..., "baud": ..., "parity": ..., "stop_bits": ...,
 "boot_utc_ms": ..., "units": {unit: code}}
{"t": us, "sent": hex}          from us to the devices
{"t": us, "heard": hex}         from the devices to us, in the pieces in which it came
{"t": us, "fault": cause, "device": code, "detail": words}      what the gateway made of the bytes around it
{"t": us, "gap": count}         so many pieces were not kept

Times are CLOCK_BOOTTIME in microseconds; `boot_utc_ms` is when that clock was 0, as far as the gateway knew.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from protocols.errors import RemoteProtocolError

VERSION = 1
HEADER = "trace"  # the key by which a file is known as a trace


class Piece(NamedTuple):
    t_us: int
    sent: bool
    data: bytes


class Fault(NamedTuple):
    """`device` is "" for the line itself."""

    t_us: int
    device: str
    cause: str
    detail: str


class Gap(NamedTuple):
    t_us: int
    pieces: int


Entry: TypeAlias = Piece | Fault | Gap


@dataclass(frozen=True)
class About:
    """Which line it was. `units` are its devices' codes by unit as text; baud is 0 where there is no serial line."""

    bus: str
    driver: str
    address: str
    baud: int = 0
    parity: str = "N"
    stop_bits: int = 1
    boot_utc_ms: int = 0
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    about: About
    entries: tuple[Entry, ...]

    @property
    def pieces(self) -> list[Piece]:
        return [entry for entry in self.entries if isinstance(entry, Piece)]


def to_objects(recording: Recording) -> Iterator[dict[str, Any]]:
    about = recording.about
    yield {HEADER: VERSION, **{name: getattr(about, name) for name in _ABOUT}, "units": dict(about.units)}
    for entry in recording.entries:
        match entry:
            case Piece(t, sent, data):
                yield {"t": t, "sent" if sent else "heard": data.hex()}
            case Fault(t, device, cause, detail):
                yield {"t": t, "fault": cause, "device": device, "detail": detail}
            case Gap(t, pieces):
                yield {"t": t, "gap": pieces}


def encode(recordings: Iterable[Recording]) -> Iterator[str]:
    """Lines, without their ends."""
    for recording in recordings:
        for one in to_objects(recording):
            yield json.dumps(one, ensure_ascii=False)


def from_objects(objects: Iterable[Mapping[str, Any]]) -> list[Recording]:
    """Raises RemoteProtocolError with the number of the object that is none of a trace."""
    found: list[tuple[About, list[Entry]]] = []
    for number, one in enumerate(objects, 1):
        try:
            if HEADER in one:
                found.append((_about(one), []))
            elif not found:
                raise ValueError("no header before it")
            else:
                found[-1][1].append(_entry(one))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RemoteProtocolError(f"line {number} is not of a trace: {error}") from None
    return [Recording(about, tuple(entries)) for about, entries in found]


def decode(lines: Iterable[str]) -> list[Recording]:
    """Raises RemoteProtocolError."""
    objects = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                objects.append(json.loads(line))
            except ValueError as error:
                raise RemoteProtocolError(f"line {number} is not of a trace: {error}") from None
    return from_objects(objects)


_ABOUT = ("bus", "driver", "address", "baud", "parity", "stop_bits", "boot_utc_ms")


def _about(one: Mapping[str, Any]) -> About:
    if one[HEADER] != VERSION:
        raise ValueError(f"a trace of version {one[HEADER]!r}; this program knows {VERSION}")
    texts = {key: str(one[key]) for key in ("bus", "driver", "address", "parity")}
    numbers = {key: int(one[key]) for key in ("baud", "stop_bits", "boot_utc_ms")}
    units = {str(unit): str(code) for unit, code in one["units"].items()}
    return About(**texts, **numbers, units=units)  # type: ignore[arg-type]


def _entry(one: Mapping[str, Any]) -> Entry:
    t = int(one["t"])
    if "fault" in one:
        return Fault(t, str(one["device"]), str(one["fault"]), str(one["detail"]))
    if "gap" in one:
        return Gap(t, int(one["gap"]))
    sent = "sent" in one
    return Piece(t, sent, bytes.fromhex(one["sent" if sent else "heard"]))
