"""Programs that a killed supervisor left behind: where nothing ties them to it, or while they still wind up.

Only such are stopped as were noted, and still look like ours.
"""

import json
import logging
import os
import signal
import subprocess
import time
from pathlib import Path

log = logging.getLogger(__name__)

PATIENCE_S = 10.0


def stop_leftovers(folder: Path) -> list[str]:
    """Stops the programs of `folder`/run.json that still run with a path of `folder` on their command line; returns
    their names. A number that some other program has got since is left alone."""
    try:
        noted = json.loads((folder / "run.json").read_text(encoding="utf-8"))["programs"]
        pids = {str(name): int(entry["pid"]) for name, entry in noted.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    ours = {name: pid for name, pid in pids.items() if str(folder) in command_line(pid)}
    for name, pid in ours.items():
        log.warning("%s of an earlier run is still there (process %d): stopping it", name, pid)
        _send(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    for pid in ours.values():
        while str(folder) in command_line(pid):
            if time.monotonic() > deadline:
                _send(pid, signal.SIGKILL)
            time.sleep(0.05)
    return list(ours)


def command_line(pid: int) -> str:
    """With spaces between the words; empty for a process that is gone, or a zombie."""
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
