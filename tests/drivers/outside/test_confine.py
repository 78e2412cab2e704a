import json
import os
import signal
import subprocess
import sys

PROGRAM = """
import ctypes, json, os, resource, sys
from drivers.outside.confine import confine
confine(int(sys.argv[1]), 96 << 20)
dies = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(dies))  # PR_GET_PDEATHSIG
print(json.dumps([
    dies.value, os.nice(0), resource.getrlimit(resource.RLIMIT_DATA), resource.getrlimit(resource.RLIMIT_CORE),
    open("/proc/self/oom_score_adj").read().strip(),
]))
bytearray(1 << 30)
"""


def run(parent: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", PROGRAM, str(parent)], capture_output=True, text=True, check=False)


def test_a_confined_process_is_bounded_expendable_and_tied_to_its_parent() -> None:
    done = run(os.getpid())
    assert json.loads(done.stdout) == [signal.SIGKILL, os.nice(0) + 5, [96 << 20] * 2, [0, 0], "500"]
    assert done.stderr.endswith("MemoryError\n")


def test_a_process_whose_parent_is_gone_already_ends() -> None:
    assert run(1).stderr == "the gateway has gone\n"
