"""How a driver's child is started, and in what words its end is told."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from drivers.outside.vitals import MEGABYTE

OUT_OF_MEMORY = 77  # the child's exit status when an allocation failed


def start(name: str, memory_bytes: int) -> tuple["subprocess.Popen[bytes]", socket.socket]:
    """A child without a driver yet, and the socket it listens to. `name` is for people who look at processes.

    To be called in the thread that lives as long as the gateway: the child is killed when the thread ends.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        # No byte code is written: a file saved twice within a second would be mistaken for what it was before.
        argv = (sys.executable, "-P", "-B", "-u", "-X", "faulthandler", "-m", "drivers.outside.child")
        process = subprocess.Popen(
            (*argv, name, str(theirs.fileno()), str(os.getpid()), str(memory_bytes)),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ),
            start_new_session=True,  # Ctrl-C is for the gateway; and what the driver starts is killed with it
        )
    assert process.stdout is not None  # noqa: S101
    os.set_blocking(process.stdout.fileno(), False)
    return process, ours


def kill(process: "subprocess.Popen[bytes]") -> None:
    """The child and what it has started, at once. Nothing if it has been waited for."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def reap(process: "subprocess.Popen[bytes]") -> int | None:
    """The exit status of a child that has ended, with what it had started killed as well; None while it runs."""
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return None
    kill(process)  # before it is waited for: its process group has its name until then
    return process.wait()


def ending(status: int, memory_bytes: int) -> str:
    """Why a child ended that nobody told to; `status` as subprocess.Popen has it."""
    if status == OUT_OF_MEMORY:
        return f"it asked for more memory than the {memory_bytes // MEGABYTE} MB it may take"
    if status < 0:
        return f"it crashed: {signal.Signals(-status).name} ({signal.strsignal(-status)})"
    return f"it ended by itself with exit status {status}"


def drain(process: "subprocess.Popen[bytes]", most: int = 1 << 16) -> bytes:
    """What the child has printed since the last time, of which `most` bytes."""
    assert process.stdout is not None  # noqa: S101
    try:
        return os.read(process.stdout.fileno(), most)
    except BlockingIOError:
        return b""


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The gateway's, with the modules that the gateway sees and without what is its own configuration."""
    environment = {name: value for name, value in ours.items() if not name.startswith("HUTONG_")}
    environment["PYTHONPATH"] = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")  # as agent.cli does: a buffer for each thread is memory
    return environment
