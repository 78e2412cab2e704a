"""How long `make run` takes until live data shows: in a fresh clone, and again."""

import os
import subprocess
import time
from pathlib import Path

from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
FIRST_GOAL_S, AGAIN_GOAL_S = 120, 15


def timed(argv: list[str], folder: Path) -> float:
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "VIRTUAL_ENV"))}
    environment |= {"PIP_NO_CACHE_DIR": "1", "npm_config_cache": str(folder / ".npm-cache")}  # a fresh machine has none
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - started


def measure(folder: Path) -> list[Figure]:
    clone = folder / "clone"
    timed(["git", "clone", "-q", "--local", str(ROOT), str(clone)], folder)
    first = timed(["make", "run", "ARGS=--until-live"], clone)
    again = timed(["make", "run", "ARGS=--until-live"], clone)
    # The limit of the first run: installing the very same locked packages and nothing else.
    timed(["python3", "-m", "venv", "limit"], folder)
    pip = ["limit/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r"]
    install = timed([*pip, str(clone / "locks" / "city.txt")], folder)
    return [
        Figure("run.first_s", first, "s", install, f"<= {FIRST_GOAL_S} s", first <= FIRST_GOAL_S, "pip install alone"),
        Figure("run.again_s", again, "s", None, f"<= {AGAIN_GOAL_S} s", again <= AGAIN_GOAL_S),
    ]
