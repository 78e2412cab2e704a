import logging
from dataclasses import replace
from pathlib import Path

import pytest

from agent.rules.memory import RuleMemory
from protocols.rules import Compare, Op, Remembered, Rule, Tell

BOOT, OTHER = bytes(16), bytes(15) + b"\1"
RULE = Rule("r", Compare("D1", "gas", Op.ABOVE, 50.0, 40.0, max_age_ms=1000), (Tell("gas", 3),))
FIRED = Remembered(True, 12_345, (True,))


def test_what_a_rule_did_is_known_after_a_restart(tmp_path: Path) -> None:
    RuleMemory(tmp_path / "rules.json", BOOT).note([(RULE, FIRED)])
    assert RuleMemory(tmp_path / "rules.json", BOOT).recall([RULE]) == {"r": FIRED}


def test_a_moment_of_another_boot_means_nothing(tmp_path: Path) -> None:
    RuleMemory(tmp_path / "rules.json", BOOT).note([(RULE, FIRED)])
    assert RuleMemory(tmp_path / "rules.json", OTHER).recall([RULE]) == {"r": FIRED._replace(fired_at=None)}


def test_a_rule_that_was_changed_is_another_one(tmp_path: Path) -> None:
    RuleMemory(tmp_path / "rules.json", BOOT).note([(RULE, FIRED)])
    assert RuleMemory(tmp_path / "rules.json", BOOT).recall([replace(RULE, hold_ms=1)]) == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"boot": "", "rules": {"x": {}}}', '{"boot": "' + "0" * 32 + '", "rules": 3}']
)
def test_a_file_that_is_none_begins_anew_and_is_told(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rules.json").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert RuleMemory(tmp_path / "rules.json", BOOT).recall([RULE]) == {}
    assert "begin anew" in caplog.text


def test_a_disk_that_refuses_stops_no_rule(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    RuleMemory(tmp_path / "away" / "rules.json", BOOT).note([(RULE, FIRED)])
    assert "is not kept" in caplog.text
