"""What a driver's child does to itself before any of the driver's code runs, so as not to outgrow or outlive us."""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NICE = 5  # where processors are scarce, a third of the weight of the gateway's own work
EXPENDABLE = "500"  # of 1000: whom the kernel ends first when the machine has no memory left


def confine(parent: int, memory_bytes: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the gateway has gone")
    # Of the process's own data, mapped or not. Address space alone says little: libraries reserve what they never use.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICE)
    Path("/proc/self/oom_score_adj").write_text(EXPENDABLE, "ascii")
