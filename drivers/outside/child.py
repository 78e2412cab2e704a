"""The program in which an outsider's driver runs: it does what the gateway asks, one thing after another.

    python -m drivers.outside.child NAME SOCKET PARENT MEMORY

What goes wrong in the driver is told to the gateway in a line and to the log with its traceback. When the gateway
goes, the program ends at once.
"""

import asyncio
import logging
import os
import pkgutil
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from drivers.base import (
    DeviceError,
    Family,
    Line,
    LineConfig,
    LineDown,
    Model,
    Nonsense,
    NotSent,
    Readings,
    Refused,
    ReportingFamily,
    Span,
    Unit,
    Unreachable,
)
from drivers.outside import sources, told, wire
from drivers.outside.confine import confine
from drivers.outside.spawn import OUT_OF_MEMORY
from protocols.errors import LocalProtocolError
from protocols.stream import NEED_DATA

log = logging.getLogger("drivers.outside.child")

CHUNK = 1 << 16
LONGEST_TEXT = 500
QUIET_S = 60.0  # a bug that shows at every read has its traceback in the log once a minute
LIBRARY, OURS = str(Path(os.__file__).parent), str(Path(__file__).parent)  # whose lines explain no driver's bug
KINDS: tuple[tuple[type[DeviceError], str], ...] = (  # the first that fits
    (LineDown, "line down"),
    (Unreachable, "unreachable"),
    (NotSent, "not sent"),
    (Refused, "refused"),
    (Nonsense, "nonsense"),
)


class Driver:
    """The verbs that the gateway may use."""

    def __init__(self) -> None:
        self._family: Family | None = None
        self._models: dict[str, Model] = {}
        self._line: Line | None = None

    async def do(self, verb: str, arguments: list[Any]) -> object:
        """Raises whatever the driver raises."""
        match verb, arguments:
            case "load", [value]:
                return self._load(value)
            case "unit", [given]:
                return self.family.unit(given)
            case "options", [given, base]:
                self.family.options(given, Path(base))
                return None
            case "model", [source]:
                return told.tell_model(self._model(source))
            case "line", [config, base]:
                options = self.family.options(config.pop("options"), Path(base))
                self._line = self.family.create_line(LineConfig(**config, options=options))
                return None
            case "open", []:
                await self.line.open()
                return None
            case "close", []:
                await self.line.close()
                return None
            case "read", [unit, source, [*span], timeout]:
                return await self._read(unit, source, Span(*span), timeout)
            case "write", [unit, source, channel, value, timeout]:
                return await self._write(unit, source, channel, Decimal(value), timeout)
        raise LookupError(f"no verb {verb!r} with {len(arguments)} arguments")

    @property
    def family(self) -> Family:
        if self._family is None:
            raise RuntimeError("no driver is loaded")
        return self._family

    @property
    def line(self) -> Line:
        if self._line is None:
            raise RuntimeError("no line was made")
        return self._line

    def _load(self, value: str) -> Mapping[str, object]:
        family = pkgutil.resolve_name(value)
        if isinstance(family, ReportingFamily):
            raise TypeError(f"{value} is of devices that report; only those that are asked may come from outside")
        if not isinstance(family, Family):
            raise TypeError(f"{value} is no drivers.base.Family: it is {family!r}")
        self._family = family
        files = [str(file) for file in sources.of_module(value.partition(":")[0])]
        return {"serial": list(family.serial) if family.serial else None, "files": files}

    def _model(self, source: str) -> Model:
        if source not in self._models:
            self._models[source] = self.family.load_model(source)
        return self._models[source]

    async def _read(self, unit: Unit, source: str, span: Span, timeout: float) -> bytes:
        raw = await self.line.read(unit, span, timeout)
        return told.tell_readings(self._model(source).decode(span, raw))

    async def _write(self, unit: Unit, source: str, channel: int, value: Decimal, timeout: float) -> bytes:
        reading = await self.line.write(unit, self._model(source), channel, value, timeout)
        return told.tell_readings(Readings.of([reading]))


class Service:
    """Answers pings at once and all else in its turn; a call that is cancelled is answered as such."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._driver = Driver()
        self._turn = asyncio.Lock()
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._logged: tuple[str, float] = ("", 0.0)

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Until the gateway goes, which ends the process."""
        decoder = wire.Decoder()
        async with asyncio.TaskGroup() as tasks:
            while data := await reader.read(CHUNK):
                decoder.receive_data(data)
                while (message := decoder.next_message()) is not NEED_DATA:
                    number, verb, *arguments = message
                    assert isinstance(number, int)  # noqa: S101
                    if verb == wire.PING:
                        self._answer(number, wire.OK, None)
                    elif verb == wire.CANCEL:
                        if (call := self._calls.get(number)) is not None:
                            call.cancel()
                    else:
                        self._calls[number] = tasks.create_task(self._call(number, str(verb), arguments))
            os._exit(0)  # not by way of the driver's threads and exit handlers

    async def _call(self, number: int, verb: str, arguments: list[Any]) -> None:
        try:
            async with self._turn:
                self._answer(number, wire.OK, await self._driver.do(verb, arguments))
        except asyncio.CancelledError:
            self._answer(number, "cancelled", "")
        except MemoryError:
            traceback.print_exc()
            os._exit(OUT_OF_MEMORY)
        except DeviceError as error:
            kind = next((kind for known, kind in KINDS if isinstance(error, known)), "unreachable")
            self._answer(number, kind, _short(str(error)), error.code if isinstance(error, Refused) else 0)
        except Exception as error:
            if verb in ("unit", "options", "model") and isinstance(error, OSError | ValueError | LookupError):
                text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
                self._answer(number, "value", _short(text))
            else:
                where = _short(_where(error))
                self._log(verb, where, error)
                self._answer(number, "bug", where)
        finally:
            self._calls.pop(number, None)

    def _log(self, verb: str, where: str, error: Exception) -> None:
        before, since = self._logged
        now = time.monotonic()
        if where != before or now - since > QUIET_S:
            self._logged = where, now
            log.error("%s failed", verb, exc_info=error)

    def _answer(self, number: int, *parts: object) -> None:
        try:
            self._writer.write(wire.encode([number, *parts]))
        except LocalProtocolError as error:
            self._writer.write(wire.encode([number, "bug", str(error)]))


def _where(error: BaseException) -> str:
    """An unexpected error in a line, with the place in the driver that raised it."""
    words = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename:
        return f"{words} ({Path(error.filename).name}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    return f"{words} ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else words


def _is_theirs(file: str) -> bool:
    return not file.startswith((OURS, "<")) and (not file.startswith(LIBRARY) or "-packages" in file)


def _short(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:LONGEST_TEXT]


async def _main(inherited: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=inherited)
    await Service(writer).serve(reader)


def main() -> None:
    _, number, parent, memory_bytes = sys.argv[1:]
    confine(int(parent), int(memory_bytes))
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(_main(socket.socket(fileno=int(number))))


if __name__ == "__main__":
    main()
