"""The command line as people use it: in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim_devices import cli

TEXT = """\
control = "c"
ports_file = "ports.json"
state = "state.json"
[[bus]]
name = "bench"
kind = "tcp"
[[bus.device]]
code = "D1"
name = "bench lamp"
model = "lamp_controller"
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """The control socket of a simulation in a process of its own."""
    (tmp_path / "sim.toml").write_text(TEXT)
    argv = [sys.executable, "-m", "sim_devices.cli", "run", str(tmp_path / "sim.toml"), "--speed", "60",
            "--start", "2026-06-21T19:30:00+08:00"]  # fmt: skip
    with subprocess.Popen(argv, stderr=subprocess.PIPE, env=os.environ) as process:
        deadline = time.monotonic() + 10
        while not ((tmp_path / "ports.json").is_file() and (tmp_path / "c").exists()):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield tmp_path / "c"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_simulation_is_run_listed_disturbed_shown_and_stopped(
    running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--control", str(running)]
    assert (
        cli.main(["fault", "bench lamp", "late", "--for", "5m", "--probability", "0.2", "--delay", "900ms", *there])
        == 0
    )
    assert capsys.readouterr().out == "late for 300 s: bench lamp\n"
    assert cli.main(["list", *there]) == 0
    shown = capsys.readouterr().out
    assert "60 times as fast" in shown
    assert "bench lamp  D1    lamp_controller  bench  1" in shown
    assert "late 20% " in shown
    assert cli.main(["show", "D1", *there]) == 0
    assert "dim_setpoint         100" in capsys.readouterr().out
    assert cli.main(["list", "--json", *there]) == 0
    assert json.loads(capsys.readouterr().out)["devices"][0]["name"] == "bench lamp"
    assert cli.main(["clear", *there]) == 0
    assert capsys.readouterr().out == "1 faults ended\n"
    assert cli.main(["fault", "bench lmap", "late", *there]) == 1
    assert "did you mean 'bench lamp'?" in capsys.readouterr().err


def test_a_wrong_configuration_ends_with_2_and_names_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sim.toml").write_text(TEXT.replace("lamp_controller", "lamp_controler"))
    assert cli.main(["run", str(tmp_path / "sim.toml")]) == 2
    assert "sim.toml:10: bus.device.model is 'lamp_controler'; did you mean lamp_controller?" in capsys.readouterr().err
    assert cli.main(["run", str(tmp_path / "none.toml")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_without_a_city_the_way_to_name_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--dir", str(tmp_path)]) == 1
    assert "no city runs in" in capsys.readouterr().err
    assert cli.main(["list", "--control", str(tmp_path / "c")]) == 1
    assert "is it running?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["fault", "x", "late", "--for", "soon"], ["run", "x", "--start", "noon"], []])
def test_what_cannot_be_understood_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: hutong-sim" in capsys.readouterr().err


def test_help_teaches_with_an_example_and_explains_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in ((["--help"], "hutong-sim fault lamp late --for 30s"), (["fault", "--help"], "wrong-crc")):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 0
        assert words in capsys.readouterr().out
