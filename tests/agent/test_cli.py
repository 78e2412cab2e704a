import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import cli, control, status
from agent.version import version

Write = Callable[..., Path]


def test_version_says_which_program_and_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == cli.OK
    assert capsys.readouterr().out == f"hutong-agent {version()}\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == cli.WRONG
    assert "status" in capsys.readouterr().err


def test_check_sums_up_a_good_configuration(write_config: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(devices=3)
    assert cli.main(["check", str(path)]) == cli.OK
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith("street  modbus-tcp 127.0.0.1:1  30% of its time; devices: 3, requests: 3,")
    assert total == f"{path}: 1 bus, 3 devices, 21 channels: all well"


def test_check_fails_where_a_line_has_too_little_time(write_config: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(devices=30)
    assert cli.main(["check", str(path)]) == cli.FAILED
    told = capsys.readouterr().out
    assert "  what would fit: period_s = " in told
    assert told.endswith("some would miss their ticks\n")


@pytest.mark.parametrize("command", ["check", "run", "status"])
def test_a_bad_configuration_is_told_in_full_and_exits_2(
    command: str, write_config: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config()
    path.write_text(path.read_text().replace("timeout_s", "timeuot_s").replace("unit = 1", "unit = 1.5"))
    assert cli.main([command, str(path)]) == cli.WRONG
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert "timeuot_s: there is no such key here; did you mean 'timeout_s'?" in told[0]
    assert "unit: expected a whole number, or a text in quotes, not 1.5" in told[1]
    assert told[2] == "hutong-agent: 2 mistakes in the configuration"


def test_status_of_a_gateway_that_does_not_run_fails(write_config: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config()
    assert cli.main(["status", str(path)]) == cli.FAILED
    assert "hutong-agent: " in capsys.readouterr().err


async def test_status_prints_what_the_running_gateway_answers(
    write_config: Write, report: dict[str, Any], until: Any, capsys: pytest.CaptureFixture[str]
) -> None:

    path = write_config()
    (path.parent / "data").mkdir()

    async def answer() -> dict[str, Any]:
        return report

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(control.serve(path.parent / "data", {"report": lambda _: answer()}))
        await until((path.parent / "data" / control.NAME).exists)
        assert await asyncio.to_thread(cli.main, ["status", str(path)]) == cli.OK
        assert capsys.readouterr().out == status.render(report) + "\n"
        assert await asyncio.to_thread(cli.main, ["status", str(path), "--json"]) == cli.OK
        assert json.loads(capsys.readouterr().out) == report
        task.cancel()


def test_status_is_quick_because_it_loads_no_numpy_nor_drivers(write_config: Write) -> None:
    code = "import sys; from agent import cli; cli.main(sys.argv[1:])\n"
    code += "sys.exit(any(name in sys.modules for name in ('numpy', 'drivers', 'aiomqtt', 'sqlite3')))"
    done = subprocess.run([sys.executable, "-c", code, "status", str(write_config())], capture_output=True, check=False)
    assert done.returncode == 0
    assert b"no hutong-agent answers" in done.stderr
