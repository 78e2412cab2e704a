import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim_devices.city.leftovers import command_line, stop_leftovers


def sleeper(*words: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])
    deadline = time.monotonic() + 30
    while words[0] not in command_line(process.pid):  # Linux puts it there a moment after Popen is content
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return process


def noted(folder: Path, **pids: int) -> None:
    (folder / "run.json").write_text(json.dumps({"programs": {name: {"pid": pid} for name, pid in pids.items()}}))


def test_what_an_earlier_run_left_is_stopped_and_what_is_not_ours_lives(tmp_path: Path) -> None:
    with sleeper(str(tmp_path / "gw1")) as ours, sleeper("/somewhere/else") as other:
        noted(tmp_path, gw1=ours.pid, web=other.pid)
        # Whoever is waited for by nobody stays a zombie: this test is its parent, and reaps it.
        assert stop_leftovers(tmp_path) == ["gw1"]
        assert ours.wait(5) != 0
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("text", ["", "{half", "[]", '{"programs": {"a": {}}}', '{"programs": {"a": {"pid": "x"}}}'])
def test_a_note_that_is_none_stops_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert stop_leftovers(tmp_path) == []


def test_a_process_that_is_gone_has_no_command_line(tmp_path: Path) -> None:
    with sleeper(str(tmp_path)) as process:
        process.kill()
        process.wait()
    assert command_line(process.pid) == ""
    assert stop_leftovers(tmp_path) == []
