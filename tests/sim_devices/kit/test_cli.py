"""The kit's commands as people use them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivers import cli as driver_cli
from sim_devices import cli
from tests.sim_devices.kit.test_replay import line

LIST = "name,address,type\na,40001,u16\nb,40002,no\n"


def test_a_driver_is_begun_in_the_folder_named_and_the_next_steps_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new", "driver", "acme-gauge", "--kind", "template", "--dir", str(tmp_path)]) == 0
    assert (tmp_path / "acme-gauge" / "acme_gauge.toml").is_file()
    assert "hutong-sim run bench.toml" in capsys.readouterr().out
    assert cli.main(["new", "driver", "acme-gauge", "--dir", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_list_is_imported_and_each_refused_row_told_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "list.csv"
    source.write_text(LIST, "utf-8")
    arguments = ["import", str(source), "--model", "panel", "--dir", str(tmp_path)]
    assert cli.main(arguments) == 1
    told = capsys.readouterr()
    assert f"{source}:3: refused: the type 'no'" in told.err
    assert "1 of 2 rows taken, 1 refused" in told.out
    assert 'name = "panel"' in (tmp_path / "panel.toml").read_text("utf-8")
    assert cli.main(arguments) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "model", "why"), [("a,b\n", "panel", "no header"), (LIST, "Panel", "is no name for a model")]
)
def test_an_import_that_cannot_be_says_why_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, model: str, why: str
) -> None:
    (tmp_path / "list.csv").write_text(text, "utf-8")
    assert cli.main(["import", str(tmp_path / "list.csv"), "--model", model, "--dir", str(tmp_path)]) == 2
    assert why in capsys.readouterr().err
    assert list(tmp_path.glob("*.toml")) == []


def test_a_simulator_that_cannot_be_loaded_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", str(tmp_path / "no.toml"), "--with", str(tmp_path / "no.py")]) == 2
    assert "no.py" in capsys.readouterr().err


def test_a_journal_is_served_and_read_by_a_driver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.jsonl"
    fan = {"table": "input", "address": 0}
    journal.write_text("\n".join(line(1000 * n, 1440 + n, 0, 0, 615, **fan) for n in range(1, 5)), "utf-8")
    argv = [sys.executable, "-m", "sim_devices.cli", "replay", str(journal), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        address = first.split(" on ")[1].strip().rstrip(":")
        assert driver_cli.main(["read", "modbus-tcp", "fan", address]) == 1  # its coils were never read
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    told = capsys.readouterr()
    assert "1 devices of 3 s" in first
    assert "speed                    1441 rpm" in told.out
    assert "motor_temperature        61.5 Cel" in told.out
    assert "start: " in told.err


@pytest.mark.parametrize("arguments", [["--listen", "here"], ["--listen", "127.0.0.1:99999"], ["--speed", "0"]])
def test_a_replay_with_wrong_arguments_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    assert cli.main(["replay", str(tmp_path / "j"), *arguments]) == 2
