"""The real program on a real pseudo-terminal of 80 by 24."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import control


async def test_top_draws_takes_keys_and_leaves(
    write_config: Callable[..., Path], report: dict[str, Any], tmp_path: Path, until: Any
) -> None:
    config = write_config()
    (tmp_path / "data").mkdir()

    async def tell(_: object) -> object:
        report["uptime_ms"] += 86_400_000 * 10
        return report

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen = bytearray()
    os.set_blocking(ours, False)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(control.serve(tmp_path / "data", {"report": tell}))
        asyncio.get_running_loop().add_reader(ours, lambda: seen.extend(os.read(ours, 65536)))
        await until((tmp_path / "data" / control.NAME).exists)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.cli", "top", str(config)),
            stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}, start_new_session=True,
        )  # fmt: skip

        async def shows(words: bytes) -> None:
            await until(lambda: words in seen, 30.0)

        await shows(b"2 devices by bus")
        await shows(b"UNREACHABLE")
        assert b"lamp" not in seen
        os.write(ours, b"e")
        await shows(b"errors")
        os.write(ours, b"/Meter\n")
        await shows(b"with 'Meter'")
        os.write(ours, b"q")
        async with asyncio.timeout(30):
            assert await program.wait() == 0
        serving.cancel()
        asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("term", "words", "status"), [("vt52", b"2 devices by bus", 0), ("nowhere", b"TERM='nowhere'; try TERM=vt100", 1)]
)
async def test_a_poor_terminal_is_drawn_on_and_an_unknown_one_is_named(
    write_config: Callable[..., Path],
    report: dict[str, Any],
    tmp_path: Path,
    until: Any,
    term: str,
    words: bytes,
    status: int,
) -> None:
    config = write_config()
    (tmp_path / "data").mkdir()

    async def tell(_: object) -> object:
        return report

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen = bytearray()
    os.set_blocking(ours, False)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(control.serve(tmp_path / "data", {"report": tell}))
        asyncio.get_running_loop().add_reader(ours, lambda: seen.extend(os.read(ours, 65536)))
        await until((tmp_path / "data" / control.NAME).exists)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.cli", "top", str(config)),
            stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": term}, start_new_session=True,
        )  # fmt: skip
        await until(lambda: words in seen, 30.0)
        os.write(ours, b"q")
        async with asyncio.timeout(30):
            assert await program.wait() == status
        serving.cancel()
        asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    os.close(theirs)
