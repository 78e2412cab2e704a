import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import control


@asynccontextmanager
async def serving(directory: Path, report: dict[str, Any], until: Any) -> AsyncIterator[None]:
    async def answer(request: control.Request) -> dict[str, Any]:
        return report | {"asked": request["unit"]} if "unit" in request else report

    async def refuse(request: control.Request) -> None:
        raise control.Declined("not today")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(control.serve(directory, {"report": answer, "refuse": refuse}))
        await until((directory / control.NAME).exists)
        yield
        task.cancel()


async def test_who_asks_gets_the_report(tmp_path: Path, report: dict[str, Any], until: Any) -> None:
    async with serving(tmp_path, report, until):
        assert await asyncio.to_thread(control.ask, tmp_path, "report") == report
        assert await asyncio.to_thread(control.ask, tmp_path, "report") == report


async def test_the_socket_is_for_its_owner_alone_and_goes_with_the_process(
    tmp_path: Path, report: dict[str, Any], until: Any
) -> None:
    async with serving(tmp_path, report, until):
        assert stat.S_IMODE((tmp_path / control.NAME).stat().st_mode) == 0o600
    assert not (tmp_path / control.NAME).exists()


async def test_a_path_longer_than_a_socket_address_is_no_hindrance(
    tmp_path: Path, report: dict[str, Any], until: Any
) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    async with serving(deep, report, until):
        assert (await asyncio.to_thread(control.ask, deep, "report"))["gateway"] == report["gateway"]


async def test_the_socket_of_a_killed_process_is_replaced(tmp_path: Path, report: dict[str, Any], until: Any) -> None:
    left = control._listen(tmp_path)
    left.close()
    with pytest.raises(control.NotRunning):
        control.ask(tmp_path, "report")
    async with serving(tmp_path, report, until):
        assert await until(lambda: asyncio.to_thread(answered, tmp_path)) == report


def answered(directory: Path) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = control.ask(directory, "report")
        return answer
    except control.NotRunning:
        return None


def test_where_nobody_runs_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(control.NotRunning, match="no hutong-agent answers"):
        control.ask(tmp_path, "report")
    with pytest.raises(control.NotRunning, match="No such file"):
        control.ask(tmp_path / "none", "report")


async def test_a_request_carries_its_details_and_a_refusal_its_reason(
    tmp_path: Path, report: dict[str, Any], until: Any
) -> None:
    async with serving(tmp_path, report, until):
        assert (await asyncio.to_thread(lambda: control.ask(tmp_path, "report", unit=3)))["asked"] == 3
        with pytest.raises(control.Declined, match="not today"):
            await asyncio.to_thread(control.ask, tmp_path, "refuse")


@pytest.mark.parametrize("line", [b"\n", b"{\n", b"[]\n", b'"report"\n', b'{"ask": "fly"}\n', b'{"ask": []}\n'])
async def test_what_is_no_request_is_told_what_one_is(
    tmp_path: Path, report: dict[str, Any], until: Any, line: bytes
) -> None:
    async with serving(tmp_path, report, until):
        reader, writer = await asyncio.open_unix_connection(tmp_path / control.NAME)
        writer.write(line)
        assert b"this gateway answers to: report, refuse" in await reader.read()
        writer.close()
        await writer.wait_closed()
