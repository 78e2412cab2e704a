"""The real program on a real pseudo-terminal of 80 by 24."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent import control


@dataclass
class Top:
    """The program, our end of its terminal, and what it has written there."""

    program: asyncio.subprocess.Process
    ours: int
    seen: bytearray

    async def ends(self) -> int:
        async with asyncio.timeout(30):
            return await self.program.wait()


@asynccontextmanager
async def top(config: Path, tell: Callable[[object], Awaitable[object]], until: Any, term: str) -> AsyncIterator[Top]:
    """Started beside a gateway that answers with what `tell` does."""
    data_dir = config.parent / "data"
    data_dir.mkdir()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen = bytearray()
    os.set_blocking(ours, False)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(control.serve(data_dir, {"report": tell}))
        asyncio.get_running_loop().add_reader(ours, lambda: seen.extend(os.read(ours, 65536)))
        await until((data_dir / control.NAME).exists)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.cli", "top", str(config)),
            stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": term}, start_new_session=True,
        )  # fmt: skip
        yield Top(program, ours, seen)
        serving.cancel()
        asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    os.close(theirs)


async def test_top_draws_takes_keys_and_leaves(
    write_config: Callable[..., Path], report: dict[str, Any], until: Any
) -> None:
    async def tell(_: object) -> object:
        report["uptime_ms"] += 86_400_000 * 10
        return report

    async with top(write_config(), tell, until, "xterm") as shown:

        async def shows(words: bytes) -> None:
            await until(lambda: words in shown.seen, 30.0)

        await shows(b"2 devices by bus")
        await shows(b"UNREACHABLE")
        assert b"lamp" not in shown.seen
        os.write(shown.ours, b"e")
        await shows(b"errors")
        os.write(shown.ours, b"/Meter\n")
        await shows(b"with 'Meter'")
        os.write(shown.ours, b"q")
        assert await shown.ends() == 0


@pytest.mark.parametrize(
    ("term", "words", "status"), [("vt52", b"2 devices by bus", 0), ("nowhere", b"TERM='nowhere'; try TERM=vt100", 1)]
)
async def test_a_poor_terminal_is_drawn_on_and_an_unknown_one_is_named(
    write_config: Callable[..., Path], report: dict[str, Any], until: Any, term: str, words: bytes, status: int
) -> None:
    async def tell(_: object) -> object:
        return report

    async with top(write_config(), tell, until, term) as shown:
        await until(lambda: words in shown.seen, 30.0)
        os.write(shown.ours, b"q")
        assert await shown.ends() == status
