"""What the tutorials tell their reader to type is typed here, in an environment like his."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.chain import wait_for

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
PROGRAMS = {
    "hutong-sim": "sim_devices.cli",
    "hutong-driver": "drivers.cli",
    "pip": "pip",
    "pytest": "pytest -p drivers.conformance.plugin",
}

DEVICE = "D1101149001900001T"  # as the scaffold's bench.toml has it
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A virtual environment of its own with hutong in it, so that what is installed is gone with it."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (packages,) = (place / "lib").glob("python*/site-packages")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "hutong-here.pth").write_text(f"import site; site.addsitedir({ours!r})\n{ROOT}\n", "utf-8")
    for name, module in PROGRAMS.items():
        program = place / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{place}/bin/python" -m {module} "$@"\n', "ascii")
        program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUTONG_", "PYTEST_"))}
    return kept | {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(place), "PIP_NO_INDEX": "1"}


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def type_in(script: str, folder: Path, environment: dict[str, str]) -> str:
    """What a shell printed; all that it started has ended."""
    folder.mkdir()
    with subprocess.Popen(
        ["bash", "-euo", "pipefail"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as shell:
        try:
            # What runs in the background holds the pipe, too: it is ended before the pipe is read to its end.
            script = f"set -m\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"
            said, _ = shell.communicate(script, timeout=240)
        finally:
            end_leftovers(shell.pid)
    assert shell.returncode == 0, said
    return said


def end_leftovers(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize("page", TUTORIALS, ids=[page.stem for page in TUTORIALS])
def test_a_tutorials_commands_do_what_it_says(page: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    said = type_in("\n".join(blocks(page)), tmp_path / "there", environment)
    text = page.read_text("utf-8")
    shown = [line.strip() for block in re.findall(r"(?:^    .+\n)+", text, re.M) for line in block.splitlines()]
    missing = [line for line in shown if not line.startswith("PATH=") and not re.search(shape(line), said)]
    assert missing == [], said


def shape(line: str) -> str:
    """A pattern for it with other numbers, and the other state of a pump."""
    parts = map(re.escape, NUMBER.split(line))
    return NUMBER.pattern.join(parts).replace("on\\ 开", "(?:on 开|off 停)")


def test_the_scaffolded_drivers_reading_is_on_the_console(tmp_path: Path, environment: dict[str, str]) -> None:
    begun = time.monotonic()
    type_in(blocks(ROOT / "docs" / "tutorials" / "driver-from-nothing.md")[0], tmp_path / "there", environment)
    with contextlib.ExitStack() as running:

        def start(*words: str) -> None:
            there = tmp_path / "there" / "acme-tank"
            process = subprocess.Popen(words, cwd=there, env=environment, stdout=subprocess.DEVNULL)
            running.enter_context(process)
            running.callback(process.send_signal, signal.SIGTERM)

        start("hutong-sim", "run", "bench.toml", "--with", "acme_tank.simulator")
        start("hutong-sim", "city", "--guest", "gateway.toml", "--dir", str(tmp_path / "city"))
        facts = wait_for(lambda: city_facts(tmp_path / "city"), 120, "the set-up link") or {}
        url = facts["console"].rstrip("/")
        form = {"key": facts["setup_link"].rpartition("=")[2], "name": "admin"} | dict.fromkeys(
            ("password", "again"), "correct horse battery"
        )
        with httpx.Client(base_url=url, timeout=20, headers={"Origin": url}) as client:
            assert client.post("/set-up", data=form).status_code == 303

            def total() -> str | None:
                answer = client.get(f"/api/v1/devices/{DEVICE}/now")
                channels = answer.json()["channels"] if answer.is_success else []
                return next((each["text"] for each in channels if each["name"] == "total" and each["text"]), None)

            shown = wait_for(total, 60, "a reading of the device")
            page = client.get(f"/devices/{DEVICE}", headers={"Accept-Language": "zh"}).text
    assert shown is not None
    assert re.fullmatch(r"55667\d\.\d\d", shown), shown
    assert "累计流量" in page
    assert time.monotonic() - begun < 600


def city_facts(folder: Path) -> dict[str, Any] | None:
    """What its run.json says, once it has a set-up link."""
    try:
        facts: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return facts if facts.get("setup_link") else None
