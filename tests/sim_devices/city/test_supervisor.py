"""The whole block as `make run` starts it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sim_devices.city.commands import NEVER, last_batch
from sim_devices.city.leftovers import command_line
from sim_devices.city.program import StartFailed, tied
from sim_devices.city.supervisor import City, Wishes

PROGRAMS = {"postgres", "sims", "web", "broker", "ingest", "gw1", "gw2"}


async def test_a_second_city_in_one_folder_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StartFailed, match=r"a city runs in .* already"):
            await City(Wishes(tmp_path), lambda _: None).run()


@contextmanager
def city(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    argv = [*tied(signal.SIGINT), sys.executable, "-m", "sim_devices.cli", "city", "--dir", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def facts(folder: Path, process: "subprocess.Popen[str]", key: str, seconds: float = 90.0) -> dict[str, Any]:
    """run.json as soon as it says something about `key`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout and process.stdout.read()
        try:
            told: dict[str, Any] = json.loads((folder / "run.json").read_text())
        except (OSError, ValueError):
            told = {}
        if told.get("pid") == process.pid and key in told:
            return told
        time.sleep(0.1)
    raise AssertionError(f"run.json never told of {key}")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_block_comes_up_heals_stops_and_comes_back_with_its_data(tmp_path: Path) -> None:
    with city(tmp_path) as process:
        told = facts(tmp_path, process, "setup_link")
        assert set(told["programs"]) == PROGRAMS
        assert told["setup_link"].startswith(told["console"])
        port = int(told["console"].rsplit(":", 1)[1].strip("/"))
        # Any program that is killed is back.
        for name in ("gw1", "sims", "broker", "web", "postgres"):
            os.kill(told["programs"][name]["pid"], signal.SIGKILL)
            deadline = time.monotonic() + 60
            while facts(tmp_path, process, "programs")["programs"][name]["starts"] < 2:
                assert time.monotonic() < deadline, name
                time.sleep(0.1)
        killed_at = time.time()
        deadline = time.monotonic() + 90
        while last_batch(port).timestamp() < killed_at:
            assert time.monotonic() < deadline, "no data after the kills"
            time.sleep(0.2)
        stored = last_batch(port)
        assert stored > NEVER
    assert process.returncode == 0
    assert not (tmp_path / "run.json").exists()
    assert all(str(tmp_path) not in command_line(entry["pid"]) for entry in told["programs"].values())

    with city(tmp_path) as process:
        again = facts(tmp_path, process, "setup_link")
        assert again["console"] == told["console"]
        # A supervisor that is killed takes its programs with it; what is slow to end, the next one clears away.
        process.kill()
        process.wait(10)
    orphans = [entry["pid"] for entry in again["programs"].values()]
    deadline = time.monotonic() + 20
    while tied(signal.SIGTERM) and (left := [pid for pid in orphans if str(tmp_path) in command_line(pid)]):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    with city(tmp_path) as process:
        facts(tmp_path, process, "live_after_s")
        assert all(str(tmp_path) not in command_line(pid) for pid in orphans)
