from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config
from agent.rules.reader import AGE_MS, AGE_PERIODS
from agent.toml import ConfigError
from drivers import catalog
from protocols import citycode
from protocols.rules import Rule, compares

Write = Callable[..., Path]


def device(code: str, model: str, unit: int, more: str = "") -> str:
    return f'\n[[bus.device]]\ncode = "{code}"\nname = "D{unit}"\nmodel = "{model}"\nunit = {unit}\n{more}'


@pytest.fixture
def device_code() -> str:
    return citycode.mint("D", "1101149001000001").text


@pytest.fixture
def rules_of(write_config: Write) -> Callable[[str], tuple[Rule, ...]]:
    codes = {number: citycode.mint("D", f"110114900100{number:04d}").text for number in (1, 2)}

    def read(text: str) -> tuple[Rule, ...]:
        more = device(codes[1], "meter_1p", 1, "channel.voltage.window_s = 10\n")
        more += device(codes[2], "lamp_controller", 2)
        path = write_config(devices=0, more=more + text.replace("METER", codes[1]).replace("LAMP", codes[2]))
        return config.load(path, {}, catalog.BUILTIN).rules

    return read


RULE = """
[[rule]]
name = "overvoltage"
when = { device = "METER", channel = "voltage", above = 250, back = 245 }
hold_s = 3
[[rule.event]]
kind = "overvoltage"
severity = 3
[[rule.write]]
device = "LAMP"
channel = "relay"
value = 0
"""
Rules = Callable[[str], tuple[Rule, ...]]


def test_a_rule_is_read_with_an_age_limit_by_its_channels_period(rules_of: Rules) -> None:
    (rule,) = rules_of(RULE)
    assert (rule.name, rule.hold_ms, rule.repeat_ms) == ("overvoltage", 3000, 10_000)
    assert [one.max_age_ms for one in compares(rule.when)] == [AGE_MS + AGE_PERIODS * 1000]


def test_a_statistic_of_a_channel_can_be_looked_at(rules_of: Rules) -> None:
    (rule,) = rules_of(RULE.replace('"voltage"', '"voltage.mean"'))
    late = 10_000  # it has the time of its window's start
    assert [one.max_age_ms for one in compares(rule.when)] == [AGE_MS + AGE_PERIODS * 10_000 + late]


def test_what_filters_delay_is_no_silence(write_config: Write, device_code: str) -> None:
    filtered = 'channel.voltage = { despike = "hampel", antialias = true, decimate = 10 }\n'
    more = device(device_code, "meter_1p", 1, filtered)
    rule = RULE.replace("METER", device_code).partition("[[rule.write]]")[0]
    (read,) = config.load(write_config(devices=0, more=more + rule), {}, catalog.BUILTIN).rules
    late = 3000 + 80_000  # three ticks, and eight kept ones
    assert [one.max_age_ms for one in compares(read.when)] == [AGE_MS + AGE_PERIODS * 10_000 + late]
    sooner = write_config(devices=0, more=more + rule.replace("back = 245", "max_age_s = 90"))
    with pytest.raises(ConfigError, match="every 10 s, 83 s late by its filters: max_age_s must be at least 93"):
        config.load(sooner, {}, catalog.BUILTIN)


def test_a_gateway_without_rules_has_none(rules_of: Rules) -> None:
    assert rules_of("") == ()


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("hold_s", "hold", "rule[0].hold", "no such key here; did you mean 'hold_s'?"),
        ("above", "abov", "rule[0].when", "did you mean 'above'?"),
        ('"voltage"', '"voltge"', "rule[0].when", "no channel 'voltge'; did you mean 'voltage"),
        ('device = "METER"', 'device = "D1101149001000009"', "rule[0].when", "no device D1101149001000009"),
        ("back = 245", "back = 255", "rule[0].when.back", "never come back"),
        ("back = 245", "max_age_s = 0.5", "rule[0].when", "voltage comes every 1 s: max_age_s"),
        ('"relay"', '"rely"', "rule[0].write[0]", "no channel 'rely'; did you mean 'relay'?"),
        ('"relay"', '"lamp_power"', "rule[0].write[0]", "cannot be written"),
        ('"relay"\nvalue = 0', '"dim_setpoint"\nvalue = 101', "rule[0].write[0]", "101.0 is not between 0 and 100"),
        ('"relay"\nvalue = 0', '"relay"\nvalue = 2', "rule[0].write[0]", "none of the states"),
        (
            "value = 0",
            'value = 0\nrequires = [{ device = "LAMP", channel = "rlay", low = 0, high = 0 }]',
            "rule[0].write[0].requires",
            "did you mean 'relay'?",
        ),
        (
            "value = 0",
            'value = 0\nrequires = [{ device = "LAMP", channel = "relay", low = 1.25e-17, high = 1 }]',
            "rule[0].write[0]",
            "no decimal fraction of 64 bits",
        ),
        ('kind = "overvoltage"\nseverity = 3', 'kind = "overvoltage"', "rule[0].event[0]", "'severity' is missing"),
        (
            'device = "METER", channel = "voltage", above = 250, back = 245',
            'device = "LAMP", channel = "relay", equals = 1',
            "rule[0].write",
            "it would drive itself, by way of what it writes: overvoltage -> overvoltage",
        ),
    ],
)
def test_a_mistake_is_told_with_line_key_and_suggestion(
    rules_of: Rules, old: str, new: str, key: str, words: str
) -> None:
    assert old in RULE
    with pytest.raises(ConfigError) as caught:
        rules_of(RULE.replace(old, new, 1))
    (problem,) = caught.value.problems
    assert f": {key}: " in problem
    assert words in problem
    assert int(problem.split(":")[1]) > 20


def test_rules_that_drive_each_other_round_are_refused_once(rules_of: Rules) -> None:
    circle = """
[[rule]]
name = "{name}"
when = {{ device = "LAMP", channel = "{seen}", above = 0 }}
[[rule.write]]
device = "LAMP"
channel = "{written}"
value = 1
"""
    first = circle.format(name="a", seen="relay", written="dim_setpoint")
    second = circle.format(name="b", seen="dim_setpoint", written="relay")
    assert len(rules_of(first)) == 1
    with pytest.raises(ConfigError) as caught:
        rules_of(first + second)
    (problem,) = caught.value.problems
    assert "a -> b -> a" in problem


def test_two_rules_of_one_name_are_refused(rules_of: Rules) -> None:
    with pytest.raises(ConfigError, match="stands twice; the other is number 0"):
        rules_of(RULE + RULE)


CAPTURE = (
    RULE.partition("[[rule.write]]")[0]
    + """
[[rule.capture]]
device = "METER"
channels = ["voltage"]
before_s = 10
after_s = 20
"""
)


def test_a_capture_is_read_and_its_rule_rests_a_minute(rules_of: Rules) -> None:
    (rule,) = rules_of(CAPTURE)
    (capture,) = rule.captures
    assert (capture.channels, capture.before_ms, capture.after_ms) == (("voltage",), 10_000, 20_000)
    assert rule.repeat_ms == 60_000


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('["voltage"]', '["voltge"]', "rule[0].capture[0].channels", "no channel 'voltge'; did you mean 'voltage'"),
        ('["voltage"]', '["voltage.mean"]', "rule[0].capture[0].channels", "is what a filter makes"),
        ('["voltage"]', "[]", "rule[0].capture[0].channels", "1 to 16 texts"),
        ('["voltage"]', '["voltage", "voltage"]', "rule[0].capture[0].channels", "no two alike"),
        ("before_s", "befor_s", "rule[0].capture[0].befor_s", "did you mean 'before_s'?"),
        ("before_s = 10", "before_s = 901", "rule[0].capture[0].before_s", "seconds from 0 to 900"),
        ("before_s = 10\nafter_s = 20\n", "", "rule[0].capture[0]", "a capture of no time"),
        ("hold_s = 3", "repeat_s = 1", "rule[0].repeat_s", "seconds from 10"),
    ],
)
def test_a_capture_that_cannot_be_is_refused_at_its_place(
    rules_of: Rules, old: str, new: str, key: str, words: str
) -> None:
    assert old in CAPTURE
    with pytest.raises(ConfigError) as refused:
        rules_of(CAPTURE.replace(old, new))
    (problem,) = refused.value.problems
    assert key in problem
    assert words in problem


def test_more_than_a_gateway_holds_is_refused_with_the_line_that_asks_for_it(
    write_config: Write, device_code: str
) -> None:
    names = ["voltage", "current", "power", "frequency"]
    more = device(device_code, "meter_1p", 1, "period_s = 0.01\n")
    text = CAPTURE.replace("METER", device_code).replace('["voltage"]', str(names).replace("'", '"'))
    path = write_config(devices=0, more=more + text.replace("before_s = 10", "before_s = 900"))
    with pytest.raises(ConfigError) as refused:
        config.load(path, {}, catalog.BUILTIN)
    (problem,) = refused.value.problems
    line = next(number for number, told in enumerate(path.read_text().splitlines(), 1) if "before_s" in told)
    assert f":{line}:" in problem
    assert "a gateway holds at most 262144" in problem
