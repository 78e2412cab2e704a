import asyncio
import io
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent import cli, control
from tests.agent.gateways import process

Write = Callable[..., Path]


@asynccontextmanager
async def running(path: Path, until: Any) -> AsyncIterator[None]:
    async with process(path):
        await until(lambda: _is_up(path))
        yield


async def _is_up(path: Path) -> Any:
    with suppress(control.NotRunning):
        return await asyncio.to_thread(control.ask, path.parent / "data", "configuration")
    return None


async def command(path: Path, *options: str) -> int:
    return await asyncio.to_thread(cli.main, ["apply", str(path), *options])


async def test_a_dry_run_tells_who_would_notice_and_changes_nothing(
    peer: Any, write_config: Write, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(peer.address, devices=3)
    async with running(path, until):
        before = await _is_up(path)
        path.write_text(path.read_text().replace("unit = 2\nperiod_s = 0.1", "unit = 9\nperiod_s = 0.2"))
        assert await command(path, "--dry-run") == 0
        told = capsys.readouterr().out
        assert "street: Meter 2 (" in told
        assert "changes (unit, period_ms)" in told
        assert "devices that stay as they are and miss no poll: 2\nstreet  modbus-tcp " in told
        assert "% of its time; devices: 3" in told
        assert await _is_up(path) == before


async def test_a_change_that_a_line_has_no_time_for_is_told_with_what_would_fit(
    peer: Any, write_config: Write, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(peer.address, devices=12)
    async with running(path, until):
        path.write_text(path.read_text().replace("period_s = 0.1", "period_s = 0.01"))
        assert await command(path, "--dry-run") == 0
        told = capsys.readouterr().out
    assert "would be read every " in told
    assert "  what would fit: period_s = " in told


async def test_what_proves_itself_is_kept_and_its_second_application_changes_nothing(
    peer: Any, write_config: Write, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(peer.address, devices=1)
    async with running(path, until):
        path.write_text(path.read_text().replace("unit = 1\n", "unit = 9\n"))
        assert await command(path, "--trial", "1", "--yes") == 0
        assert "configuration 2 has proven itself" in capsys.readouterr().out
        assert await command(path, "--yes") == 0
        assert capsys.readouterr().out == "nothing changes\n"


@pytest.mark.long
@pytest.mark.parametrize(("said", "status", "number"), [("y\n", 0, 2), ("n\n", 1, 1), ("", 1, 1)])
async def test_no_answer_is_a_no(
    peer: Any, write_config: Write, until: Any, monkeypatch: pytest.MonkeyPatch, said: str, status: int, number: int
) -> None:
    path = write_config(peer.address, devices=1)
    async with running(path, until):
        path.write_text(path.read_text().replace("unit = 1\n", "unit = 9\n"))
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        assert await command(path, "--trial", "1") == status
        assert (await _is_up(path))["number"] == number


async def test_without_a_gateway_nothing_is_applied(write_config: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command(write_config(), "--yes") == 1
    assert "no hutong-agent answers" in capsys.readouterr().err
