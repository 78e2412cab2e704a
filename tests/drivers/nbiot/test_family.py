from pathlib import Path
from typing import Any

import pytest

from drivers.base import LineConfig
from drivers.nbiot.family import NBIOT
from drivers.nbiot.line import ModemLine

BASE = Path()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "dialect is ''"),
        ({"dialect": "bc66k"}, "did you mean 'bc660k'"),
        ({"dialect": "bc95", "apn": "x"}, "apn is not known"),
        ({"dialect": "bc95", "registration": 1}, "did you mean 'registration_s'"),
        ({"dialect": "bc95", "registration_s": 0}, "registration_s is 0"),
        ({"dialect": "bc95", "registration_s": True}, "registration_s is True"),
        ({"dialect": "bc95", "power_cycle": "reset"}, "power_cycle is a command as a list"),
        ({"dialect": "bc95", "power_cycle": []}, "power_cycle is a command as a list"),
        ({"dialect": "bc95", "relay_to": "127.0.0.1"}, "belongs to either"),
        ({"dialect": "bc95", "relay_port": 9502}, "belongs to either"),
        ({"dialect": "bc95", "relay_to": "127.0.0.1", "relay_port": 1, "relay_peer": "10.0.0.9"}, "belongs to either"),
        ({"dialect": "bc95", "relay_to": "127.0.0.1", "relay_port": 0}, "relay_port is 0"),
        ({"dialect": "sim7020", "relay_to": "127.0.0.1", "relay_port": 9502}, "sim7020 hears only peers"),
        ({"dialect": "bc95", "relay_to": "127.0.0.1:x", "relay_peer": "10.0.0.9"}, "relay_to is '127.0.0.1:x'"),
        ({"dialect": "bc95", "relay_to": "127.0.0.1", "relay_peer": "sensors.example"}, "relay_peer: bc95 looks up no"),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_name(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        NBIOT.options(given, BASE)


def test_options_have_defaults_and_ports() -> None:
    assert NBIOT.options({"dialect": "sim7020"}, BASE) == {"dialect": "sim7020", "registration_s": 300.0}
    full = {"dialect": "bc660k", "relay_peer": "sensors.example", "relay_to": "127.0.0.1:5700", "power_cycle": ["x"]}
    assert NBIOT.options(full, BASE) == {
        "dialect": "bc660k",
        "registration_s": 300.0,
        "power_cycle": ("x",),
        "relay_from": ("sensors.example", 5683),
        "relay_to": ("127.0.0.1", 5700),
    }


def test_a_module_that_can_listen_relays_what_comes_to_its_port() -> None:
    given = {"dialect": "bc95", "relay_port": 9502, "relay_to": "[::1]"}
    assert NBIOT.options(given, BASE)["relay_from"] == 9502
    assert NBIOT.options(given, BASE)["relay_to"] == ("::1", 5683)


def test_there_is_one_device_on_a_modem_itself() -> None:
    assert NBIOT.unit(1) == 1
    with pytest.raises(ValueError):
        NBIOT.unit(2)


def test_a_line_is_made_without_opening_anything() -> None:
    options = NBIOT.options({"dialect": "bc95"}, BASE)
    line = NBIOT.create_line(LineConfig("nbiot", "/dev/ttyUSB2", 9600, options=options))
    assert isinstance(line, ModemLine)
    assert line.modem.dialect.name == "bc95"
