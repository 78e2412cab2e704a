"""The running gateway's socket: `hutong-agent status`, `trace`, `scan` and others ask it, one request a connection.

A request is one line of JSON, {"ask": name, ...}; the answer is one line: {"answer": ...} or {"error": why}. The socket
lies in the data directory with mode 0600: who may read the directory's secrets may ask. Nothing here imports numpy.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

NAME = "control.sock"
TIMEOUT_S = 5.0
MAX_REQUEST = 1 << 20

Request: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Request], Awaitable[object]]


class NotRunning(Exception):
    """Nobody answers on the socket."""


class Declined(Exception):
    """Why a request is not carried out; raised by handlers, and by ask() for whoever asked."""


async def serve(data_dir: Path, handlers: Mapping[str, Handler]) -> None:
    """Answers requests until cancelled. What a handler returns is its answer, as JSON knows it."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                line = await reader.readline()
            answer = json.dumps(await _handle(handlers, line), ensure_ascii=False).encode() + b"\n"
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(answer)
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # who asked has gone, or asked for more than a line holds
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve_one, sock=_listen(data_dir), limit=MAX_REQUEST)
    try:
        async with server:
            await server.serve_forever()
    finally:
        (data_dir / NAME).unlink(missing_ok=True)


async def _handle(handlers: Mapping[str, Handler], line: bytes) -> Mapping[str, object]:
    try:
        request = json.loads(line)
        handler = handlers[request["ask"]]
    except (ValueError, TypeError, KeyError):
        return {"error": f"not understood; this gateway answers to: {', '.join(handlers)}"}
    try:
        return {"answer": await handler(request)}
    except Declined as declined:
        return {"error": str(declined)}


def ask(data_dir: Path, name: str, *, timeout_s: float = TIMEOUT_S, **details: object) -> Any:
    """The answer of the gateway that works in `data_dir`; NotRunning if none does, Declined if it will not."""
    with socket.socket(socket.AF_UNIX) as client, _short(data_dir) as path:
        client.settimeout(timeout_s)
        try:
            client.connect(path)
            client.sendall(json.dumps({"ask": name, **details}).encode() + b"\n")
            with client.makefile("rb") as file:
                reply: dict[str, Any] = json.loads(file.read())
        except (OSError, ValueError) as error:
            raise NotRunning(f"{_unanswered(data_dir)}: {error}") from None
    if "error" in reply:
        raise Declined(reply["error"])
    return reply["answer"]


def _listen(data_dir: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    with _short(data_dir) as path:
        Path(path).unlink(missing_ok=True)  # of a process that was killed: the data directory's lock says so
        before = os.umask(0o177)
        try:
            server.bind(path)
        finally:
            os.umask(before)
    server.setblocking(False)
    return server


def _unanswered(data_dir: Path) -> str:
    return f"no hutong-agent answers in {data_dir} (does `hutong-agent run` with this file, and is it your user's?)"


@contextmanager
def _short(data_dir: Path) -> Iterator[str]:
    """The socket's path, through the open directory: a socket's address has 107 bytes, a path may be longer."""
    try:
        directory = os.open(data_dir, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise NotRunning(f"{_unanswered(data_dir)}: {error.strerror}") from None
    try:
        yield f"/proc/self/fd/{directory}/{NAME}"
    finally:
        os.close(directory)
