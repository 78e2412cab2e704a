from pathlib import Path

import pytest

from agent.configuration.guard import check
from agent.toml import ConfigError

RUNNING = """\
[gateway]
code = "D1"
data_dir = "data"
[uplink]
broker = "mqtts://city:8883"
key_file = "key"
[[bus]]
name = "street"
driver = "modbus-rtu"
address = "/dev/ttyUSB0"
[[bus.device]]
code = "D2"
name = "Valve"
model = "valve"
unit = 1
[[bus.device.interlock]]
channel = "open"
pause_s = 60
"""
BUS = '[[bus]]\nname = "new"\ndriver = "modbus-rtu"\n'


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check(folder / "gateway.toml", text, RUNNING)
    return "\n".join(caught.value.problems)


def test_what_stands_on_the_lines_may_be_changed(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "own.toml").write_text("")
    text = RUNNING.replace("unit = 1", "unit = 2") + BUS
    for address in ("/dev/ttyS1", "/dev/serial/by-id/usb-FTDI_A-if00-port0", "10.0.0.1:502"):
        device = '[[bus.device]]\ncode = "D3"\nname = "key"\nmodel = "maps/own.toml"\n'
        check(tmp_path / "gateway.toml", f'{text}address = "{address}"\n{device}', RUNNING)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"D1"', '"D9"', "gateway.code"),
        ('"data"', '"/"', "gateway.data_dir"),
        ("city:8883", "evil:8883", "uplink.broker"),
        ('key_file = "key"', 'key_file = "/etc/shadow"', "uplink.key_file"),
        ("[uplink]", '[drivers]\nallow = ["evil"]\n[uplink]', "drivers"),
        ("[uplink]", "[metrics]\nport = 80\n[uplink]", "metrics"),
    ],
)
def test_who_the_gateway_is_and_whom_it_trusts_is_not_changed_from_afar(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    said = refused(tmp_path, RUNNING.replace(old, new))
    assert f": {key}: is changed at the gateway alone" in said
    assert str(tmp_path / "gateway.toml") in said


@pytest.mark.parametrize(
    "line",
    [
        'address = "/dev/watchdog"',
        'address = "/etc/shadow"',
        'address = "/dev/ttyUSB0/../../etc/shadow"',
        'model = "/etc/passwd.toml"',
        'model = "../outside.toml"',
        'model = "link.toml"',
        'oscore = { lamp = "secrets" }',
        'whatever = ["~/.ssh"]',
        'some_file = "key"',
    ],
)
def test_no_file_is_named_from_afar_that_the_gateway_does_not_use(tmp_path: Path, line: str) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "secrets").mkdir()
    (folder / "key").write_text("secret")
    (tmp_path / "outside.toml").write_text("secret")
    (folder / "link.toml").symlink_to(tmp_path / "outside.toml")
    assert "secret\n" not in refused(folder, f"{RUNNING}{BUS}{line}\n")


def test_interlocks_are_not_taken_away_from_afar(tmp_path: Path) -> None:
    weaker = RUNNING.replace("pause_s = 60", "pause_s = 1")
    gone = RUNNING[: RUNNING.index("[[bus.device]]")]
    for text in (weaker, gone):
        assert "the interlocks of Valve (D2): is changed at the gateway alone" in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["[[bus", "a = " + "[" * 20_000, "a = " + "1" * 5_000])
def test_what_is_no_toml_is_told_as_such(tmp_path: Path, text: str) -> None:
    assert "not valid TOML" in refused(tmp_path, text)
