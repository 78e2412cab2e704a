from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from agent import config
from agent.interlocks import Interlock
from agent.settings import Config
from agent.toml import ConfigError
from drivers import catalog
from protocols import citycode
from protocols.edge.requirement import Requirement

Write = Callable[..., Path]
FIRST, SECOND = (citycode.mint("D", f"110114900100{number:04d}").text for number in (1, 2))
LOCK = """
[[bus.device.interlock]]
channel = "relay"
value = 1
requires = [
  { channel = "lamp_power", low = 0, high = 0.1 },
  { device = "%s", channel = "dim_setpoint", low = 0, high = 9 },
]
pause_s = 2.5
"""


def load(write_config: Write, more: str) -> Config:
    path = write_config(more=more)
    path.write_text(path.read_text().replace('"meter_1p"', '"lamp_controller"'))
    return config.load(path, {}, catalog.ALL)


def test_an_interlock_is_read_with_exact_bounds(write_config: Write) -> None:
    _, device = load(write_config, LOCK % FIRST).buses[0].devices
    own = Requirement(SECOND, "lamp_power", Decimal(0), Decimal("0.1"))
    other = Requirement(FIRST, "dim_setpoint", Decimal(0), Decimal(9))
    assert device.interlocks == (Interlock("relay", Decimal(1), (own, other), 2500),)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'channel = "relay"',
            'channel = "realy"',
            "interlock[0].channel: model 'lamp_controller' writes no channel 'realy'; did you mean 'relay'",
        ),
        ('channel = "relay"', 'channel = "lamp_power"', "writes no channel 'lamp_power'"),
        ('"lamp_power"', '"lamp_pwer"', "has no channel 'lamp_pwer'; did you mean 'lamp_power'?"),
        ("high = 9", "high = -9", "requires[1].low: 0.0 is above high, which is -9.0"),
        ("pause_s = 2.5", "pause_s = -1", "pause_s: "),
        ("low = 0, high = 0.1", "high = 0.1", "requires[0]: 'low' is missing"),
        ("pause_s = 2.5", "pauses_s = 2.5", "interlock[0].pauses_s: there is no such key here"),
    ],
)
def test_a_wrong_interlock_is_refused_at_its_key(write_config: Write, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write_config, (LOCK % FIRST).replace(old, new, 1))
    assert any(words in problem for problem in raised.value.problems), raised.value.problems


def test_a_device_of_another_gateway_cannot_be_required(write_config: Write) -> None:
    stranger = citycode.mint("D", "1101149001009999").text
    with pytest.raises(ConfigError, match=f"this gateway has no device {stranger}"):
        load(write_config, LOCK % stranger)


def test_an_interlock_that_holds_nothing_is_refused(write_config: Write) -> None:
    with pytest.raises(ConfigError, match="an interlock that holds nothing"):
        load(write_config, '[[bus.device.interlock]]\nchannel = "relay"\n')
