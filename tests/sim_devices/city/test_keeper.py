import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sim_devices.city.keeper import LONGEST_PAUSE_S, Keeper, ending
from sim_devices.city.program import Program, StartFailed

SLEEP = "import time; time.sleep(60)"


def python(folder: Path, name: str, code: str, ready: Callable[[int], bool] = lambda _pid: True) -> Program:
    return Program(name, (sys.executable, "-c", code), folder / f"{name}.log", ready, patience_s=2.5)


class Watched:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.noted = 0
        self.keeper = Keeper(self.said.append, self.note)

    def note(self) -> None:
        self.noted += 1


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    made = Watched()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.keeper.watch())
        try:
            yield made
        finally:
            await made.keeper.go_down([list(made.keeper.kept)])


async def test_a_killed_program_is_started_again_and_that_is_said_and_noted(tmp_path: Path) -> None:
    async with watched() as made:
        made.keeper.start(python(tmp_path, "a", SLEEP))
        made.keeper.start(python(tmp_path, "b", SLEEP))
        first, other = (made.keeper.kept[name].process.pid for name in "ab")
        made.keeper.kept["a"].process.send(9)
        deadline = time.monotonic() + 10
        while made.keeper.kept["a"].starts < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert made.keeper.kept["a"].process.pid != first
        assert made.keeper.kept["b"].process.pid == other
    assert "a ended (killed by SIGKILL), starts again in 1 s" in made.said[0]
    assert made.noted == 3
    assert all(kept.process.poll() is not None for kept in made.keeper.kept.values())


async def test_a_program_that_keeps_ending_is_started_ever_later(tmp_path: Path) -> None:
    made = Watched()
    made.keeper.start(python(tmp_path, "a", "raise SystemExit(1)"))
    kept, now, pauses = made.keeper.kept["a"], time.monotonic(), []
    for _ in range(8):
        deadline = time.monotonic() + 5
        while kept.process.poll() is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        made.keeper.look_after(kept, now)
        pauses.append(kept.pause)
        made.keeper.look_after(kept, now + kept.pause - 0.01)
        assert kept.again_at is not None
        now += kept.pause + 0.01
        made.keeper.look_after(kept, now)
        assert kept.again_at is None
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    kept.process.stop()


async def test_a_program_that_never_comes_up_is_given_up_with_its_log(tmp_path: Path) -> None:
    async with watched() as made:
        made.keeper.start(python(tmp_path, "a", "print('no such table'); raise SystemExit(1)", lambda _pid: False))
        with pytest.raises(StartFailed, match=r"a does not come up\n(.|\n)*no such table"):
            await made.keeper.ready("a")


async def test_stopping_ends_the_waiting_too(tmp_path: Path) -> None:
    async with watched() as made:
        made.keeper.start(python(tmp_path, "a", SLEEP, lambda _pid: False))
        made.keeper.stopping.set()
        with pytest.raises(StartFailed, match="stopped before everything was up"):
            await made.keeper.ready("a")


async def test_stages_go_down_one_after_the_other(tmp_path: Path) -> None:
    made = Watched()
    code = f"""
import signal, sys, time
def end(*_):
    time.sleep(0.2)
    open(r"{tmp_path}/order", "a").write(sys.argv[0] or "x")
    sys.exit()
signal.signal(15, end)
open(r"{tmp_path}/up", "a").write("x")
time.sleep(60)
"""
    for name in ("first", "second"):
        made.keeper.start(python(tmp_path, name, code.replace('sys.argv[0] or "x"', f'"{name} "')))
    deadline = time.monotonic() + 5
    while not ((tmp_path / "up").exists() and (tmp_path / "up").read_text() == "xx"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    await made.keeper.go_down([["first", "never started"], ["second"]])
    assert (tmp_path / "order").read_text() == "first second "


def test_an_ending_is_told_in_words() -> None:
    assert (ending(-9), ending(3)) == ("killed by SIGKILL", "exit code 3")
