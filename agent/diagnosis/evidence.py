"""What is known of a line, for the doctor: its counters, and each request with all that came behind it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent.diagnosis.frames import Burst, Part, Reader, bursts
from protocols.trace import Fault, Gap, Piece, Recording


@dataclass(frozen=True)
class Exchange:
    """A request, and what was heard until the next one. `delay_ms` is how long the first byte took, None without any;
    `heard`, with the times of its parts in `came_us`, leaves the echo of the request out; `echo` says whether there was
    one."""

    t_us: int
    unit: str
    request: bytes
    heard: tuple[Part, ...] = ()
    came_us: tuple[int, ...] = ()
    delay_ms: float | None = None
    echo: bool = False

    @property
    def raw(self) -> bytes:
        return b"".join(part.data for part in self.heard)

    @property
    def good(self) -> list[Part]:
        return [part for part in self.heard if part.good and part.unit]

    @property
    def answered(self) -> bool:
        return any(part.unit == self.unit for part in self.good)

    @property
    def bad(self) -> list[Part]:
        return [part for part in self.heard if not part.good]


@dataclass(frozen=True)
class LineEvidence:
    """`devices` are the report's own. `unasked` is what came before anything was asked."""

    name: str
    driver: str
    address: str
    is_open: bool
    fault: str
    opened: int
    timeout_ms: float
    baud: int
    devices: Sequence[Mapping[str, Any]]
    exchanges: tuple[Exchange, ...] = ()
    faults: tuple[Fault, ...] = ()
    settings: str = ""
    unasked: tuple[Part, ...] = field(default=())

    @property
    def is_serial(self) -> bool:
        return self.baud > 0

    def asked(self, unit: object) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.unit == str(unit)]


def gather(
    report: Mapping[str, Any], recordings: Sequence[Recording], timeouts_s: Mapping[str, float], bus: str | None = None
) -> list[LineEvidence]:
    """Of each recorded line in `report`, or of `bus` alone."""
    by_name = {recording.about.bus: recording for recording in recordings}
    return [
        _line(told, by_name[told["name"]], timeouts_s.get(told["name"], 1.0))
        for told in report["buses"]
        if told["name"] in by_name and bus in (None, told["name"])
    ]


def _line(told: Mapping[str, Any], recording: Recording, timeout_s: float) -> LineEvidence:
    about = recording.about
    unasked, found = exchanges(recording)
    return LineEvidence(
        name=told["name"],
        driver=told["driver"],
        address=told["address"],
        is_open=told["open"],
        fault=told["fault"],
        opened=told["opened"],
        timeout_ms=1000 * timeout_s,
        baud=about.baud,
        devices=told["devices"],
        exchanges=tuple(found),
        faults=tuple(entry for entry in recording.entries if isinstance(entry, Fault)),
        settings=f"{about.baud} {about.parity}{about.stop_bits}" if about.baud else "",
        unasked=tuple(unasked),
    )


def exchanges(recording: Recording) -> tuple[list[Part], list[Exchange]]:
    """What came before anything was asked, and the exchanges. None spans a gap: who knows what went between."""
    reader = Reader(recording.about.driver)
    unasked: list[Part] = []
    found: list[Exchange] = []
    for segment in _segments(recording):
        current: Exchange | None = None
        for burst in segment:
            parts = reader.read(burst)
            if burst.sent:
                if current is not None:
                    found.append(current)
                unit = next((part.unit for part in parts if part.unit), "")
                current = Exchange(burst.t_us, unit, burst.data)
            elif current is None:
                unasked += parts
            else:
                current = _extended(current, parts, burst)
        # The last of a segment may yet be answered.
        if current is not None and current.heard:
            found.append(current)
    return unasked, found


def _extended(exchange: Exchange, parts: Sequence[Part], burst: Burst) -> Exchange:
    echo = [part for part in parts if part.words.startswith("echo")]
    heard = tuple(part for part in parts if part not in echo)
    delay = exchange.delay_ms
    if heard and delay is None:
        delay = (burst.t_us - exchange.t_us) / 1000
    return replace(
        exchange,
        heard=exchange.heard + heard,
        came_us=exchange.came_us + (burst.t_us,) * len(heard),
        delay_ms=delay,
        echo=exchange.echo or bool(echo),
    )


def _segments(recording: Recording) -> Iterator[list[Burst]]:
    pieces: list[Piece] = []
    for entry in recording.entries:
        if isinstance(entry, Piece):
            pieces.append(entry)
        elif isinstance(entry, Gap):
            yield bursts(Recording(recording.about, tuple(pieces)))
            pieces = []
    yield bursts(Recording(recording.about, tuple(pieces)))
