from typing import Any

import pytest

from protocols.rules.form import AtLeast, Compare, Missing, Not, Op, compares
from protocols.rules.plain import MAX_NESTING, MAX_PARTS, FormError, from_plain, to_plain

HIGH = {"device": "D1", "channel": "gas", "above": 50, "back": 40}
EVENT = [{"kind": "gas", "severity": 3}]


def rule(**more: Any) -> dict[str, Any]:
    return {"name": "r", "when": HIGH, "event": EVENT, **more}


def deep(levels: int) -> dict[str, Any]:
    return HIGH if levels == 1 else {"not": deep(levels - 1)}


def test_what_is_left_out_is_the_safe_choice() -> None:
    when = from_plain(rule()).when
    assert isinstance(when, Compare)
    assert (when.missing, when.uncertain, when.rate, when.max_age_ms) == (Missing.UNKNOWN, False, False, None)


def test_a_rule_that_writes_rests_unless_it_says_otherwise() -> None:
    write = [{"device": "D1", "channel": "valve", "value": 1}]
    assert from_plain(rule(write=write)).repeat_ms == 10_000
    assert from_plain(rule()).repeat_ms == 0
    with pytest.raises(FormError, match="seconds from 1"):
        from_plain(rule(write=write, repeat_s=0.5))


def test_conditions_are_put_together_from_all_any_not_and_at_least() -> None:
    wet = {"device": "D1", "channel": "wet", "equals": 1}
    when = from_plain(
        rule(when={"at_least": 2, "of": [{"not": HIGH}, {"all": [HIGH, wet]}, {"any": [HIGH, wet]}]})
    ).when
    assert isinstance(when, AtLeast)
    assert (when.count, len(when.parts), isinstance(when.parts[0], Not)) == (2, 3, True)
    assert [part.count for part in when.parts if isinstance(part, AtLeast)] == [2, 1]
    assert [one.op for one in compares(when)] == [Op.ABOVE, Op.ABOVE, Op.EQUALS, Op.ABOVE, Op.EQUALS]


def test_the_form_that_is_written_leaves_defaults_out() -> None:
    plain = to_plain(from_plain(rule(hold_s=0, when={**HIGH, "missing": "unknown", "uncertain": False})))
    assert plain == rule(when={**HIGH, "above": 50.0, "back": 40.0})


@pytest.mark.parametrize(
    ("wrong", "place", "words"),
    [
        ({"when": {**HIGH, "bck": 3}}, "when.bck", "no such key"),
        ({"when": {**HIGH, "back": 51}}, "when.back", "never come back"),
        ({"when": {**HIGH, "below": 3}}, "when", "expected one of above, below and equals"),
        ({"when": {"device": "D1", "channel": "gas"}}, "when", "expected one of above, below and equals"),
        ({"when": {"all": [HIGH, {**HIGH, "above": "much"}]}}, "when.all[1].above", "expected a number"),
        ({"when": {**HIGH, "above": True}}, "when.above", "expected a number"),
        ({"when": {**HIGH, "above": float("nan")}}, "when.above", "expected a number"),
        ({"when": {**HIGH, "missing": "maybe"}}, "when.missing", "one of unknown, hold, false, true"),
        ({"when": {"all": []}}, "when.all", "one condition at least"),
        ({"when": {"at_least": 3, "of": [HIGH, HIGH]}}, "when.at_least", "from 1 to 2"),
        ({"when": {"all": [HIGH], "any": [HIGH]}}, "when.any", "no such key"),
        ({"when": {"all": [HIGH] * MAX_PARTS}}, "when", "at most 64"),
        ({"when": deep(MAX_NESTING + 1)}, "when.not.not.not.not.not.not", "nest at most 6"),
        ({"when": 1}, "when", "expected a table"),
        ({"name": ""}, "name", "expected a text"),
        ({"name": "a\nb"}, "name", "expected a text"),
        ({"event": [{"kind": "gas", "severity": 5}]}, "event[0].severity", "from 0 to 4"),
        ({"event": EVENT * 17}, "event", "at most 16"),
        ({"event": []}, "rule", "does nothing"),
        ({"hold_s": -1}, "hold_s", "seconds from 0"),
        ({"write": [{"device": "D1", "channel": "v"}]}, "write[0]", "'value' is missing"),
    ],
)
def test_a_mistake_is_told_with_its_place(wrong: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(FormError, match=words) as caught:
        from_plain(rule(**wrong))
    assert str(caught.value).startswith(f"{place}: ")


def test_the_deepest_nesting_is_taken() -> None:
    assert len(list(compares(from_plain(rule(when=deep(MAX_NESTING))).when))) == 1
