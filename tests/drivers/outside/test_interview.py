import logging
from pathlib import Path

import pytest

from drivers.outside import interview
from drivers.outside.installed import Installed
from drivers.outside.interview import Interview, NoAnswer
from tests.outsider import change

MEMORY = 128 << 20


def test_a_driver_that_gives_no_answer_is_given_up_and_says_so_from_then_on(
    acme: Installed, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(package / "model.py", "def load(source):", "def load(source):\n    while True: pass\n")
    talk = Interview(acme, MEMORY)
    monkeypatch.setattr(interview, "PATIENCE_S", 0.3)
    for _ in range(2):
        with pytest.raises(NoAnswer, match=r"driver acme \(acme-hutong 1.2\) failed: it gave no answer within 0.3 s"):
            talk.ask("model", "gauge")
    talk.close()
    assert not Path(f"/proc/{talk._process.pid}").exists()


def test_what_it_prints_is_logged_with_its_name(
    acme: Installed, package: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(package / "driver.py", "VERSION = 1", 'VERSION = 1\nprint("good morning")')
    with caplog.at_level(logging.INFO):
        Interview(acme, MEMORY).close()
    assert "driver acme (acme-hutong 1.2): good morning" in [one.message for one in caplog.records]


def test_what_it_does_not_take_is_told_in_its_words_and_it_goes_on(acme: Installed) -> None:
    talk = Interview(acme, MEMORY)
    with pytest.raises(NoAnswer, match=r"^there is no model 'x'; there is gauge$"):
        talk.ask("model", "x")
    assert talk.ask("unit", 5) == 5
    with pytest.raises(NoAnswer, match="'x' is not between 1 and 99"):
        talk.ask("unit", "x")
    talk.close()
    with pytest.raises(NoAnswer, match="nothing is asked any more"):
        talk.ask("unit", 5)
