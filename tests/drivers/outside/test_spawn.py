import os
import signal
import sys
from pathlib import Path

import pytest

from drivers.outside import spawn


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (spawn.OUT_OF_MEMORY, "it asked for more memory than the 64 MB it may take"),
        (-signal.SIGSEGV, "it crashed: SIGSEGV (Segmentation fault)"),
        (0, "it ended by itself with exit status 0"),
        (3, "it ended by itself with exit status 3"),
    ],
)
def test_an_ending_is_told_in_words(status: int, words: str) -> None:
    assert spawn.ending(status, 64 << 20) == words


def test_a_child_sees_the_gateway_s_modules_and_not_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUTONG_UPLINK_BROKER", "mqtt://secret:1883")
    monkeypatch.setattr(sys, "path", ["", "/somewhere"])
    environment = spawn._environment(os.environ)
    assert environment["PYTHONPATH"] == f"{Path.cwd()}:/somewhere"
    assert not [name for name in environment if name.startswith("HUTONG_")]
    assert environment["PATH"] == os.environ["PATH"]
