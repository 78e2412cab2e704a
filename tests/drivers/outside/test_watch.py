import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.outside.conduct import MANY
from drivers.outside.family import OutsideFamily
from drivers.outside.installed import Installed
from drivers.outside.line import OutsideLine
from drivers.outside.watch import DISABLED, ENABLED, FAILED, Watch
from tests.outsider import change

MEMORY = 128 << 20


class Told(list[tuple[str, str]]):
    def __call__(self, kind: str, detail: str) -> None:
        self.append((kind, detail))


@asynccontextmanager
async def running(watch: Watch) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run())
        yield
        task.cancel()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "data" / "drivers" / "acme.json"


@pytest.fixture
def make(acme: Installed, package: Path, record: Path) -> Callable[..., Watch]:
    record.parent.parent.mkdir()

    def make(config: str = "c1", told: Told | None = None) -> Watch:
        watch = Watch(acme, MEMORY, [str(file) for file in sorted(package.glob("*.py"))])
        watch.settle(record, config, False, Told() if told is None else told)
        return watch

    return make


def is_there(file: Path) -> bool:
    return file.exists()


def alter(how: str, package: Path, record: Path) -> None:
    match how:
        case "code":
            os.utime(package / "model.py")
        case "file gone":
            (package / "model.py").unlink()
        case "record damaged":
            record.write_text('{"cause": 1}')
        case "record removed":
            record.unlink()


def disable(watch: Watch) -> None:
    for number in range(MANY):
        watch._failed("driver acme at 10.0.0.1:1", f"it crashed the {number}. time")


async def test_a_disabled_driver_stays_so_over_a_restart(
    make: Callable[..., Watch], record: Path, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    first = make(told=told)
    async with running(first):
        disable(first)
        await until(record.exists)
    assert [kind for kind, _ in told] == [FAILED] * MANY + [DISABLED]
    assert "disabled until its code or the configuration changes" in caplog.records[-1].message
    second = make()
    assert await second.refusal() == first.refused()
    async with running(second):
        await asyncio.sleep(0.05)
    assert is_there(record)


@pytest.mark.parametrize("how", ["config", "code", "file gone", "record damaged", "record removed"])
async def test_another_code_or_configuration_is_another_chance(
    make: Callable[..., Watch], record: Path, package: Path, until: Any, how: str
) -> None:
    first = make()
    async with running(first):
        disable(first)
        await until(record.exists)
    alter(how, package, record)
    second = make("c2" if how == "config" else "c1")
    assert await second.refusal() == ""
    async with running(second):
        await until(lambda: not record.exists())


async def test_new_code_enables_a_driver_while_the_gateway_runs(
    make: Callable[..., Watch], record: Path, package: Path, until: Any
) -> None:
    told = Told()
    watch = make(told=told)
    async with running(watch):
        disable(watch)
        await until(record.exists)
        assert await watch.refusal()
        change(package / "driver.py", "VERSION = 1", "VERSION = 2")
        assert await watch.refusal() == ""
        await until(lambda: not record.exists())
    assert told[-1] == (ENABLED, "its code has changed")


async def test_a_disk_that_keeps_no_record_is_told_and_the_driver_is_disabled_all_the_same(
    make: Callable[..., Watch], record: Path, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    watch = make()
    record.parent.write_text("a file where a folder should be")
    async with running(watch):
        disable(watch)
        await until(lambda: [one for one in caplog.records if "is not kept over a restart" in one.message])
        assert await watch.refusal()


def test_the_record_names_cause_and_files(make: Callable[..., Watch], package: Path) -> None:
    watch = make()
    disable(watch)
    state = json.loads(json.dumps(watch._state()))
    assert "it crashed the 4. time" in state["cause"]
    assert set(state["files"]) == {str(package / name) for name in ("__init__.py", "driver.py", "model.py")}


async def test_when_the_watch_ends_no_child_is_left(line: OutsideLine, family: OutsideFamily, until: Any) -> None:
    async with running(family.watch):
        await line.open()
        assert line.child is not None
        process = Path(f"/proc/{line.child.pid}")
        assert (family.watch.running, is_there(process)) == (1, True)
    assert (family.watch.running, is_there(process)) == (0, False)
    assert family.watch.conduct.failures == 0


@pytest.mark.long
async def test_saved_code_is_taken_and_code_with_a_mistake_is_not(
    line: OutsideLine,
    family: OutsideFamily,
    package: Path,
    tmp_path: Path,
    until: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def said(words: str) -> bool:
        return any(words in one.message for one in caplog.records)

    family.watch.settle(tmp_path / "none" / "acme.json", "c1", True, Told())
    with caplog.at_level(logging.INFO):
        async with running(family.watch):
            await line.open()
            assert line.child is not None
            first = line.child.pid
            change(package / "driver.py", "VERSION = 1", "VERSION = = 2")
            await until(lambda: said("the new code was not taken: ") and said("SyntaxError"))
            assert line.child.pid == first
            change(package / "driver.py", "VERSION = = 2", "VERSION = 2")
            await until(lambda: said("took its new code within"))
            assert line.child.pid != first
            assert family.watch.running == 1
