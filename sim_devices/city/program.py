"""A program that the city runs: how it is started, when it is ready, how it is asked to stop."""

import functools
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

log = logging.getLogger(__name__)

TAIL_LINES = 12
LOG_LIMIT = 8 << 20  # a longer one is put aside at the next start


class StartFailed(Exception):
    """A program did not come up; the message ends with the last lines it logged."""


@dataclass(frozen=True)
class Program:
    """`ready` is asked with the process id. `account` is the (uid, gid) to run as, where root has to be dropped."""

    name: str
    argv: tuple[str, ...]
    log: Path
    ready: Callable[[int], bool] = lambda _pid: True
    without: tuple[str, ...] = ()  # variables of our environment that are not for it
    stop_signal: int = signal.SIGTERM
    patience_s: float = 20.0
    account: tuple[int, int] | None = None


class Process:
    """One running program. It has a session of its own, so that Ctrl-C reaches the supervisor alone; it is asked to
    stop when the thread that started it is gone, however that ended."""

    def __init__(self, program: Program) -> None:
        self.program = program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        if program.log.is_file() and program.log.stat().st_size > LOG_LIMIT:
            program.log.replace(program.log.with_suffix(".old.log"))
        user, group = program.account or (None, None)
        with program.log.open("ab") as sink:
            self._popen = subprocess.Popen(
                (*tied(program.stop_signal), *program.argv),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if name not in program.without},
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
            )
        log.info("%s started as process %d", program.name, self.pid)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    def is_ready(self) -> bool:
        return self.poll() is None and self.program.ready(self.pid)

    def wait_ready(self) -> Self:
        """Raises StartFailed, with the process gone, when it dies or is not ready in time."""
        name, patience = self.program.name, self.program.patience_s
        deadline = time.monotonic() + patience
        while not self.is_ready():
            if (code := self.poll()) is not None:
                raise StartFailed(f"{name} ended with code {code} while starting\n{tail(self.program.log)}")
            if time.monotonic() > deadline:
                self.stop()
                raise StartFailed(f"{name} was not ready within {patience:g} s\n{tail(self.program.log)}")
            time.sleep(0.02)
        return self

    def send(self, number: int) -> None:
        if self.poll() is None:
            self._popen.send_signal(number)

    def ask_to_stop(self) -> None:
        self.send(self.program.stop_signal)

    def stop(self) -> None:
        """Asks it to stop and, when it does not within its patience, kills it. Safe to call twice."""
        self.ask_to_stop()
        try:
            self._popen.wait(self.program.patience_s)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop within %g s: killed", self.program.name, self.program.patience_s)
            self._popen.kill()
            self._popen.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@functools.cache
def tied(number: int) -> tuple[str, ...]:
    """What to put before a command line, so that the program gets the signal `number` when the thread that starts it
    ends, be it by SIGKILL. The process id stays; nothing where util-linux is not: leftovers.py is for those machines.

    Not a preexec_fn: Python runs in the child then, which is not safe beside threads.
    """
    if shutil.which("setpriv") is None:
        return ()
    words = ("setpriv", "--pdeathsig", signal.Signals(number).name.removeprefix("SIG"), "--")
    # Another setpriv, busybox's for one, does not know the option.
    return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else ()


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The end of a log, indented, for the message that says a program failed."""
    try:
        with path.open("rb") as source:
            source.seek(max(0, path.stat().st_size - 16_384))
            text = source.read().decode(errors="replace")
    except OSError:
        return f"  (nothing in {path})"
    return "\n".join([f"  the end of {path}:", *(f"  | {line}" for line in text.splitlines()[-lines:])])
