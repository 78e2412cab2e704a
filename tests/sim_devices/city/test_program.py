import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim_devices.city.program import Process, Program, StartFailed, tail, tied


def python(folder: Path, code: str, **more: object) -> Program:
    return Program("tried", (sys.executable, "-c", code), folder / "logs" / "tried.log", **more)  # type: ignore[arg-type]


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 5
    while text not in (path.read_text() if path.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_ends_while_starting_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    program = python(tmp_path, "print('cannot bind'); raise SystemExit(3)", ready=lambda _pid: False)
    with pytest.raises(StartFailed, match=r"tried ended with code 3 while starting\n(.|\n)*\| cannot bind"):
        Process(program).wait_ready()


def test_a_program_that_is_never_ready_is_stopped_again(tmp_path: Path) -> None:
    process = Process(python(tmp_path, "import time; time.sleep(60)", ready=lambda _pid: False, patience_s=0.3))
    with pytest.raises(StartFailed, match=r"was not ready within 0\.3 s"):
        process.wait_ready()
    assert process.poll() == -signal.SIGTERM


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    with Process(python(tmp_path, code, patience_s=0.3)) as process:
        wait_for(process.program.log, "deaf")
    assert process.poll() == -signal.SIGKILL


def test_stopping_twice_and_signalling_the_dead_do_no_harm(tmp_path: Path) -> None:
    process = Process(python(tmp_path, "pass"))
    process.stop()
    process.stop()
    process.send(signal.SIGTERM)
    assert process.poll() is not None


def test_a_program_is_asked_to_stop_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    if not tied(signal.SIGTERM):
        pytest.skip("util-linux's setpriv is not here: leftovers are stopped by the next run")
    log = tmp_path / "child.log"
    child = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(print('stopped', flush=True)))\n"
        "print('up', flush=True); time.sleep(60)"
    )
    starter = (
        f"import pathlib, sys, time; from sim_devices.city.program import Process, Program\n"
        f"Process(Program('child', (sys.executable, '-c', {child!r}), pathlib.Path({str(log)!r}))); time.sleep(60)"
    )
    with subprocess.Popen([*tied(signal.SIGKILL), sys.executable, "-c", starter]) as process:
        wait_for(log, "up")
        process.kill()
    wait_for(log, "stopped")


def test_it_does_not_see_the_variables_that_are_not_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUTONG_WEB_PORT", "1")
    with Process(python(tmp_path, "import os; print(sorted(os.environ))", without=("HUTONG_WEB_PORT",))) as process:
        wait_for(process.program.log, "PATH")
    assert "HUTONG_WEB_PORT" not in process.program.log.read_text()


def test_a_long_log_is_put_aside_and_its_end_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_devices.city.program.LOG_LIMIT", 100)
    program = python(tmp_path, "print('fresh')")
    program.log.parent.mkdir()
    program.log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert tail(program.log, 2).splitlines()[1:] == ["  | line 98", "  | line 99"]
    with Process(program):
        wait_for(program.log, "fresh")
    assert program.log.read_text() == "fresh\n"
    assert "line 99" in program.log.with_suffix(".old.log").read_text()
    assert "nothing" in tail(tmp_path / "none")
