"""The product's programs as the city starts them: by module, under this interpreter, with settings from files alone."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sim_devices.city.program import Program, StartFailed, tail

PATIENCE_S = 120.0
# A HUTONG_ variable in the environment is meant for one program, here it would reach all; the map's does no harm.
HARMLESS = ("HUTONG_MAP_TILES",)
NEVER = datetime.fromtimestamp(0, UTC)


def foreign_variables() -> tuple[str, ...]:
    return tuple(name for name in os.environ if name.startswith("HUTONG_") and name not in HARMLESS)


def at_once(_pid: int) -> bool:
    return True


def saying(log_path: Path, words: bytes) -> Callable[[int], bool]:
    """Ready when its log says so, behind what it says now."""
    begin = log_path.stat().st_size if log_path.is_file() else 0

    def ready(_pid: int) -> bool:
        try:
            with log_path.open("rb") as source:
                source.seek(begin)
                return words in source.read()
        except OSError:
            return False

    return ready


def program(name: str, logs: Path, module: str, *words: str, ready: Callable[[int], bool] = at_once) -> Program:
    argv = (sys.executable, "-m", module, *words)
    return Program(name, argv, logs / f"{name}.log", ready, without=foreign_variables())


def run_to_end(log_path: Path, module: str, *words: str) -> str:
    """What it printed. Raises StartFailed, with what it complained of, unless it ended well."""
    shown = " ".join((module, *words))
    kept = {name: value for name, value in os.environ.items() if name not in foreign_variables()}
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as sink:
        try:
            done = subprocess.run(
                (sys.executable, "-m", module, *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                env=kept,
                timeout=PATIENCE_S,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StartFailed(f"{shown} did not end within {PATIENCE_S:g} s") from None
    if done.returncode != 0:
        raise StartFailed(f"{shown} failed with code {done.returncode}\n{tail(log_path)}")
    return done.stdout.decode(errors="replace")


def last_batch(port: int) -> datetime:
    """When the server last stored a batch, as its /healthz has it; NEVER when it does not say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read())
        return datetime.fromisoformat(answer["last_batch_at"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return NEVER
    finally:
        connection.close()
