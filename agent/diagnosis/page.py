"""A trace as a page of text for a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime

from agent.diagnosis.frames import Burst, Part, Reader, bursts
from protocols.trace import Fault, Gap, Piece, Recording

HEX_SHOWN = 64  # bytes of a frame


def render(recording: Recording, device: str = "", *, heading: bool = True) -> Iterator[str]:
    """Of all devices, or of the one of that code: what it was asked, what came then, and its faults."""
    about = recording.about
    if heading:
        settings = f" {about.baud} baud {about.parity}{about.stop_bits}" if about.baud else ""
        yield f"=== {about.bus}  {about.driver} {about.address}{settings}"
    unit = next((unit for unit, code in about.units.items() if code == device), None)
    reader, shown, told = Reader(about.driver), True, False
    for moment, entry in _in_order(recording):
        clock = _clock(about.boot_utc_ms, moment)
        if isinstance(entry, Fault):
            if device in ("", entry.device) or not entry.device:
                told = True
                who = about.bus if not entry.device else entry.device
                yield f"{clock}  !  {who}: {entry.cause}: {entry.detail}"
            continue
        if isinstance(entry, Gap):
            yield f"{'':12}  .. {entry.pieces} pieces were not kept"
            continue
        parts = reader.read(entry)
        if entry.sent:
            shown = unit is None or any(part.unit == unit for part in parts)
        for part in parts if shown else ():
            told = True
            yield f"{clock}  {'>' if entry.sent else '<'}  {_part(part)}"
    if not told and heading:
        yield "nothing was recorded"


def _in_order(recording: Recording) -> Iterator[tuple[int, Burst | Fault | Gap]]:
    """Bursts, faults and gaps."""
    segment: list[Piece] = []

    def flush() -> Iterator[tuple[int, Burst]]:
        found = bursts(Recording(recording.about, tuple(segment)))
        segment.clear()
        return ((burst.t_us, burst) for burst in found)

    for entry in recording.entries:
        if isinstance(entry, Piece):
            segment.append(entry)
        else:
            yield from flush()
            yield entry.t_us, entry
    yield from flush()


def _part(part: Part) -> str:
    who = f"{part.unit}: " if part.unit else ""
    shown = part.data[:HEX_SHOWN].hex(" ") + (" ..." if len(part.data) > HEX_SHOWN else "")
    return f"{who}{part.words}  [{shown}]" if part.data else f"{who}{part.words}"


def _clock(boot_utc_ms: int, t_us: int) -> str:
    moment = datetime.fromtimestamp((boot_utc_ms + t_us // 1000) / 1000, UTC).astimezone()
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03}"
