import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as asking
from hypothesis import strategies as st

from agent import config, settings, site
from agent.inference.settings import InferenceConfig
from agent.interlocks import Interlock
from agent.settings import ChannelConfig, Config
from agent.toml import ConfigError
from drivers import catalog
from protocols.edge import birth
from protocols.rules import Rule
from tests.hostile import distorted

Write = Callable[..., Path]


def load(path: Path, **environ: str) -> Config:
    return config.load(path, environ, catalog.BUILTIN)


def refused(path: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, **environ)
    return "\n".join(problem.replace(f"{path.parent}/", "") for problem in caught.value.problems)


def change(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_a_whole_configuration_is_read(write_config: Write, tmp_path: Path) -> None:
    more = """position = [40.0707, 116.3364]
mount = "b110114011800-01239"
[bus.device.channel.power]
despike = true
lowpass_hz = 0.05
decimate = 5
window_s = 10.0
deadband = 0.5
heartbeat_s = 30
[spool]
quota_mb = 64
"""
    from protocols import citycode

    mount = citycode.mint("B", "1101140118000123").text
    loaded = load(write_config(more=more.replace("b110114011800-01239", mount.lower())))
    (bus,) = loaded.buses
    first, second = bus.devices
    assert loaded.gateway == settings.GatewayConfig("D1101149001000077A", tmp_path / "data")
    assert (loaded.uplink.host, loaded.uplink.port, loaded.uplink.tls) == ("127.0.0.1", 1, False)
    assert (loaded.spool.quota_bytes, loaded.metrics.port) == (64 * 2**20, 0)
    assert (bus.driver, bus.timeout_s, first.period_ms) == ("modbus-tcp", 0.3, 100)
    assert (second.position, second.mount) == ((40.0707, 116.3364), mount)
    assert second.channels == {
        "power": ChannelConfig(despike=True, lowpass_hz=0.05, decimate=5, window_s=10.0, deadband=0.5, heartbeat_s=30.0)
    }
    assert loaded.models["modbus-tcp", "meter_1p"].name == "meter_1p"


def test_an_unknown_key_is_refused_with_line_and_nearest_key(write_config: Write) -> None:
    path = change(write_config(), "period_s", "perod_s")
    line = path.read_text().split("perod_s")[0].count("\n") + 1
    assert refused(path) == (
        f"gateway.toml:{line}: bus[0].device[0].perod_s: there is no such key here; did you mean 'period_s'?"
        " (Meter 1, D1101149001000001D)"
    )


def test_several_mistakes_are_told_together(write_config: Write) -> None:
    path = change(write_config(), 'driver = "modbus-tcp"', 'driver = "modbus-tpc"')
    change(path, "unit = 1", "unit = true")
    change(path, "mqtt://", "http://")
    told = refused(path)
    assert "bus[0].driver: 'modbus-tpc' is not known; did you mean 'modbus-tcp'?" in told
    assert "bus[0].device[0].unit: expected a whole number, or a text in quotes" in told
    assert "uplink.broker: expected mqtt://host:port" in told
    assert len(told.splitlines()) == 3


def test_a_channel_the_model_does_not_have_is_refused_with_the_nearest(write_config: Write) -> None:
    told = refused(write_config(more="[bus.device.channel.volage]\ndeadband = 1.0\n"))
    assert "bus[0].device[1].channel.volage: model 'meter_1p' has no channel 'volage'; did you mean 'voltage'?" in told


def test_a_model_that_is_not_known_is_refused_with_the_nearest(write_config: Write) -> None:
    told = refused(change(write_config(), '"meter_1p"', '"meter_p1"'))
    assert "bus[0].device[0].model: " in told
    assert "meter_1p" in told


def test_a_channel_may_be_read_less_often_than_its_device(write_config: Write) -> None:
    path = write_config(more="[bus.device.channel.energy]\nperiod_s = 60\n")
    _, device = load(path).buses[0].devices
    assert device.channels["energy"].period_ms == 60_000
    assert site.build(load(path)).devices[0][1].slower == {5: 60_000}


@pytest.mark.parametrize("period_s", ["0.1", "0.05", "0.25"])
def test_a_channel_s_period_is_a_multiple_of_its_device_s(write_config: Write, period_s: str) -> None:
    told = refused(write_config(more=f"[bus.device.channel.energy]\nperiod_s = {period_s}\n"))
    assert "channel.energy.period_s: must be a multiple of the device's period, 0.1 s" in told


def test_a_counter_is_never_filtered(write_config: Write) -> None:
    told = refused(write_config(more="[bus.device.channel.energy]\ndespike = true\n"))
    assert "bus[0].device[1].channel.energy: energy is a counter" in told


VIBRATION = """[bus.device.channel.power]
steepest = 500
stuck_s = 600
despike = "hampel"
highpass_hz = 0.05
bandstop_hz = [1.5, 2.5]
notch_hz = [3, 4.0]
notch_q = 10
order = 3
fir_hz = 4.5
fir_taps = 65
window_s = 64
statistics = ["rms", "kurtosis"]
tones_hz = 2.5
bands_hz = [[0.5, 1.0], [1.0, 5.0]]
"""


def test_filters_for_vibration_and_mains_are_read_as_they_are_written(write_config: Write) -> None:
    device = load(write_config(more=f"{VIBRATION}[bus.device.channel.energy]\ndespike = false\n")).buses[0].devices[1]
    assert device.channels["power"] == ChannelConfig(
        steepest=500.0,
        stuck_s=600.0,
        despike="hampel",
        highpass_hz=0.05,
        bandstop_hz=(1.5, 2.5),
        notch_hz=(3.0, 4.0),
        notch_q=10.0,
        order=3,
        fir_hz=4.5,
        fir_taps=65,
        window_s=64.0,
        statistics=("rms", "kurtosis"),
        tones_hz=(2.5,),
        bands_hz=((0.5, 1.0), (1.0, 5.0)),
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('despike = "mode"', "despike: 'mode' is not known; one of median, hampel"),
        ("despike = 5", "despike: expected true or false, not 5"),
        ("bandpass_hz = [1.0]", "bandpass_hz: expected an array of 2 numbers"),
        ("bandpass_hz = [2.0, 1.0]", "bandpass_hz: bandpass_hz must be [lowest, highest]"),
        ('notch_hz = "50"', "notch_hz: expected a number, or an array of numbers"),
        ("notch_hz = 50", "notch_hz: notch_hz must lie between 0 and 5, half the rate"),
        ("window_s = 64\nbands_hz = [1.0, 2.0]", "bands_hz: expected an array of pairs of numbers"),
        ('window_s = 10\nstatistics = ["rsm"]', "statistics: statistics has 'rsm', which is not known"),
        ("antialias = true", "antialias: antialias needs a decimate"),
        ("unwrap = true", "unwrap: unwrap is for counters, and power is a gauge"),
    ],
)
def test_a_filter_that_is_none_is_refused_at_its_own_key(write_config: Write, line: str, words: str) -> None:
    assert f"bus[0].device[1].channel.power.{words}" in refused(
        write_config(more=f"[bus.device.channel.power]\n{line}\n")
    )


def test_a_low_pass_above_half_the_rate_is_refused_at_its_own_line(write_config: Write) -> None:
    told = refused(write_config(more="[bus.device.channel.power]\nlowpass_hz = 5.0\n"))
    assert "bus[0].device[1].channel.power.lowpass_hz: lowpass_hz must lie between 0 and 5" in told


def test_a_secret_that_others_may_read_is_refused_with_the_command_to_run(write_config: Write, tmp_path: Path) -> None:
    path = write_config()
    (tmp_path / "key").chmod(0o640)
    assert refused(path).endswith("uplink.key_file: others may read this secret; run: chmod 600 key")


def test_a_secret_that_is_missing_or_no_key_is_refused(write_config: Write, tmp_path: Path) -> None:
    path = write_config()
    (tmp_path / "password").unlink()
    (tmp_path / "key").write_text("abc")
    told = refused(path)
    assert "uplink.password_file: cannot read password: No such file or directory" in told
    assert "uplink.key_file: key: a key is 64 hexadecimal digits" in told


def test_no_problem_ever_shows_a_secret(write_config: Write, tmp_path: Path) -> None:
    path = write_config()
    (tmp_path / "key").write_text("5ec4e7" * 9)
    assert "5ec4e7" not in refused(path)


def test_a_wrong_check_character_is_told(write_config: Write) -> None:
    told = refused(change(write_config(), "D1101149001000077A", "D1101149001000077B"))
    assert "gateway.code: 'D1101149001000077B' is not a city code: " in told


def test_a_code_of_the_wrong_kind_is_refused(write_config: Write) -> None:
    told = refused(write_config(more='mount = "A110114G"\n'))
    assert "mount" in told


def test_a_code_that_stands_twice_is_refused_with_the_other_place(write_config: Write) -> None:
    path = write_config()
    first = path.read_text().split('code = "')[2][:18]
    second = path.read_text().split('code = "')[3][:18]
    assert f"bus[0].device[1].code: {first} stands twice; the other is bus[0].device[0]" in refused(
        change(path, second, first.lower())
    )


def test_two_devices_of_one_unit_on_a_bus_are_refused(write_config: Write) -> None:
    told = refused(change(write_config(), "unit = 2", "unit = 1"))
    assert "bus[0].device[1].unit: 1 stands twice; the other is number 1" in told


PUSHED = """
[[bus]]
name = "air"
driver = "coap"
address = "127.0.0.1:5683"
options = { plain = "loopback" }
[[bus.device]]
code = "{code}"
name = "Sensor"
model = "climate_sensor"
unit = "pole:1"
period_s = 60
"""


def pushed(more: str = "") -> str:
    from protocols import citycode

    return PUSHED.replace("{code}", citycode.mint("D", "1101149001009999").text) + more


def test_devices_that_report_of_themselves_are_configured_like_any_other(write_config: Write) -> None:
    path = write_config(more=pushed("[bus.device.channel.temperature]\ndeadband = 0.1\n"))
    (_, bus) = config.load(path, {}, catalog.ALL).buses
    assert (bus.driver, bus.options["plain"], bus.devices[0].unit) == ("coap", "loopback", "pole:1")


def test_a_filter_that_needs_a_steady_period_is_refused_where_there_is_none(write_config: Write) -> None:
    path = write_config(more=pushed("[bus.device.channel.temperature]\ndespike = true\nwindow_s = 60\n"))
    with pytest.raises(ConfigError) as caught:
        config.load(path, {}, catalog.ALL)
    for key, problem in zip(("despike", "window_s"), caught.value.problems, strict=True):
        assert f"temperature.{key}: {key} needs samples at a steady period" in problem


def test_two_owners_of_one_address_are_refused(write_config: Write) -> None:
    more = '[[bus]]\nname = "other"\ndriver = "modbus-tcp"\naddress = "127.0.0.1:1"\n'
    told = refused(write_config(more=more))
    assert "bus[1].address: '127.0.0.1:1' stands twice" in told
    assert "bus[1]: a bus without a device" in told


def test_serial_settings_on_a_network_bus_are_refused(write_config: Write) -> None:
    told = refused(change(write_config(), "timeout_s = 0.3", "timeout_s = 0.3\nbaud = 9600"))
    assert "bus[0].baud: modbus-tcp has no serial port to set this on" in told


LONG = "x" * 64


@pytest.mark.parametrize(
    "address", ["/dev/ttyUSB0", "127.0.0.1", "127.0.0.1:0", ":502", "host:x", "a..b:502", f"{LONG}:502", ".:502"]
)
def test_a_network_bus_wants_host_and_port(write_config: Write, address: str) -> None:
    assert "bus[0].address: modbus-tcp expects host:port" in refused(write_config(address=address))


@pytest.mark.parametrize("driver", ["modbus-rtu", "modbus-rtu-over-tcp"])
def test_no_device_on_a_serial_line_is_everybody(write_config: Write, driver: str) -> None:
    path = change(write_config(), "unit = 1", "unit = 0")
    assert load(path).buses[0].devices[0].unit == 0
    told = refused(change(path, "modbus-tcp", driver))
    assert "bus[0].device[0].unit: 0 is not between 1 and 255" in told


@pytest.mark.parametrize("control", ["\\u0000", "\\n", "\\u001b[2J", "\\u202e"])
def test_a_name_that_would_forge_a_log_line_or_break_the_birth_is_refused(write_config: Write, control: str) -> None:
    told = refused(change(write_config(), "Meter 1", f"Meter{control} 1"))
    assert "bus[0].device[0].name: holds the control character U+" in told
    assert told.isprintable()


@pytest.mark.parametrize("key", ["code", "data_dir", "broker", "password_file", "key_file", "name", "address", "model"])
def test_no_text_may_hold_nul(write_config: Write, key: str) -> None:
    path = write_config()
    path.write_text(re.sub(rf'^({key} = ").*"', r'\1a\\u0000b"', path.read_text(), count=1, flags=re.MULTILINE))
    assert f"{key}: holds the control character U+0000" in refused(path)


def test_names_in_any_script_with_quotes_are_taken(write_config: Write) -> None:
    name = "3号灯\u3000'κ' \u05d0 👁"
    assert load(change(write_config(), "Meter 1", name)).buses[0].devices[0].name == name


def test_a_broker_that_could_never_be_looked_up_is_refused(write_config: Write) -> None:
    assert "expected mqtt://host" in refused(write_config(), HUTONG_UPLINK_BROKER="mqtt://a..b")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_password_that_is_none_is_refused(write_config: Write, tmp_path: Path, content: bytes) -> None:
    path = write_config()
    (tmp_path / "password").write_bytes(content)
    assert "uplink.password_file: password: a password is a line of UTF-8 text" in refused(path)


@pytest.mark.parametrize("position", ["[91, 0]", "[0, 181]", "[1]", '["a", 1]', "5", "[inf, 0]"])
def test_a_position_off_the_earth_is_refused(write_config: Write, position: str) -> None:
    assert "position: expected" in refused(write_config(more=f"position = {position}\n"))


MODEM = """[[bus]]
name = "modem"
driver = "nbiot"
address = "/dev/ttyUSB2"
options = { dialect = "DIALECT" }
[[bus.device]]
code = "D1101149001003002Z"
name = "Modem"
model = "nb_modem"
"""


def with_modem(path: Path, bus: str, broker: str = "mqtt://127.0.0.1:1") -> Path:
    change(path, "[uplink]\n", f'[uplink]\nmodem = "{bus}"\n')
    return change(path, 'broker = "mqtt://127.0.0.1:1"', f'broker = "{broker}"')


def test_an_uplink_goes_through_the_modem_of_a_bus(write_config: Write) -> None:
    loaded = load(with_modem(write_config(more=MODEM.replace("DIALECT", "bc660k")), "modem", "mqtts://fleet.example"))
    assert loaded.uplink.modem == "modem"
    assert (loaded.buses[-1].baud, loaded.buses[-1].options["dialect"]) == (115200, "bc660k")


@pytest.mark.parametrize(
    ("dialect", "bus", "broker", "reason"),
    [
        ("bc95", "modem", "mqtt://127.0.0.1:1", "bc95 has no TCP: its sockets carry datagrams"),
        ("sim7020", "modem", "mqtt://fleet.example", "sim7020 looks up no names: 'fleet.example' must be an IPv4"),
        ("bc660k", "modm", "mqtt://127.0.0.1:1", "there is no bus 'modm'; did you mean 'modem'?"),
        (
            "bc660k",
            "street",
            "mqtt://127.0.0.1:1",
            "bus 'street' has driver modbus-tcp; a modem is one of driver nbiot",
        ),
    ],
)
def test_a_modem_that_cannot_carry_the_uplink_is_refused_with_the_reason(
    dialect: str, bus: str, broker: str, reason: str, write_config: Write
) -> None:
    told = refused(with_modem(write_config(more=MODEM.replace("DIALECT", dialect)), bus, broker))
    assert "uplink.modem: " in told
    assert reason in told


def test_a_password_in_the_broker_url_is_refused(write_config: Write) -> None:
    told = refused(change(write_config(), "mqtt://", "mqtt://me:hidden@"))
    assert "uplink.broker: no user or password in the URL" in told
    assert "hidden" not in told


@pytest.mark.parametrize(("url", "port", "tls"), [("mqtt://broker", 1883, False), ("mqtts://[::1]", 8883, True)])
def test_a_broker_has_the_registered_port_unless_told(write_config: Write, url: str, port: int, tls: bool) -> None:
    loaded = load(write_config(), HUTONG_UPLINK_BROKER=url)
    assert (loaded.uplink.port, loaded.uplink.tls) == (port, tls)


def test_variables_come_after_the_file(write_config: Write, tmp_path: Path) -> None:
    loaded = load(write_config(), HUTONG_SPOOL_QUOTA_MB="7", HUTONG_GATEWAY_DATA_DIR="/elsewhere")
    assert (loaded.spool.quota_bytes, loaded.gateway.data_dir) == (7 * 2**20, Path("/elsewhere"))
    assert refused(write_config(), HUTONG_SPOOL_QOTA_MB="7") == (
        "HUTONG_SPOOL_QOTA_MB (environment): there is no such key here; did you mean 'quota_mb'?"
    )


def test_a_key_is_read_as_bytes(write_config: Write) -> None:
    loaded = load(write_config())
    assert config.read_key(loaded.uplink) == bytes.fromhex("ab" * 32)
    assert config.read_password(loaded.uplink) == "secret"


def test_the_gateway_takes_as_many_devices_as_a_birth_describes() -> None:
    assert config.MAX_DEVICES == birth.MAX_DEVICES


def test_reading_a_configuration_without_its_models_does_not_import_numpy(write_config: Write) -> None:
    code = "import sys; from pathlib import Path; from agent import config, cli, status\n"
    code += "config.load(Path(sys.argv[1]), {}); sys.exit('numpy' in sys.modules or 'asyncio.x' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(write_config())], check=False).returncode == 0


def test_every_setting_is_documented_under_its_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration-agent.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (\[.*?\]+)\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE))
    documented = {name: set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)) for name, body in sections.items()}
    assert documented == {name: keys_of(kind) for name, kind in TABLES.items()}


TABLES = {
    "[gateway]": settings.GatewayConfig,
    "[uplink]": settings.UplinkConfig,
    "[spool]": settings.SpoolConfig,
    "[metrics]": settings.MetricsConfig,
    "[drivers]": settings.DriversConfig,
    "[[bus]]": settings.BusConfig,
    "[[bus.device]]": settings.DeviceConfig,
    "[bus.device.channel.NAME]": settings.ChannelConfig,
    "[[bus.device.interlock]]": Interlock,
    "[[bus.device.inference]]": InferenceConfig,
    "[[rule]]": Rule,
}
SPELLED = {
    "host": "broker",
    "port": "broker",
    "tls": "broker",
    "quota_bytes": "quota_mb",
    "budget_bytes": "budget_mb_day",
    "others": "other",
    "captures": "capture",
    "period_ms": "period_s",
    "pause_ms": "pause_s",
    "hold_ms": "hold_s",
    "clear_ms": "clear_s",
    "repeat_ms": "repeat_s",
    "tells": "event",
    "writes": "write",
}

HELD = {  # tables of their own
    settings.BusConfig: {"devices"},
    settings.DeviceConfig: {"channels", "interlocks", "inferences"},
}


def keys_of(kind: Any) -> set[str]:
    spelled = {} if kind is settings.MetricsConfig else SPELLED
    return {spelled.get(field.name, field.name) for field in fields(kind)} - HELD.get(kind, set())


def test_the_documented_file_is_a_valid_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration-agent.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "gateway.toml").write_text(example)
    for name, secret in (("password", "x"), ("key", "00" * 32)):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    assert load(tmp_path / "gateway.toml").buses[0].devices[0].mount == "B11011401180001239"


FILTERED = """[bus.device.channel.voltage]
despike = "hampel"
bandpass_hz = [0.1, 2.0]
notch_hz = [3.0, 4.0]
order = 3
antialias = true
decimate = 2
window_s = 64
statistics = ["rms", "crest"]
tones_hz = 2.5
bands_hz = [[0.5, 1.0]]
[bus.device.channel.power]
despike = true
lowpass_hz = 0.05
decimate = 5
window_s = 10.0
deadband = 0.5
heartbeat_s = 30
[spool]
quota_mb = 64
"""


@asking(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_a_file_says_it_is_a_configuration_or_told_line_by_line(
    write_config: Write, data: st.DataObject
) -> None:
    path = write_config(more=f"position = [40.0707, 116.3364]\n{FILTERED}")
    path.write_text(data.draw(distorted(path.read_text("utf-8"))), "utf-8")
    problems: tuple[str, ...] | None = None
    try:
        site.build(load(path))
    except ConfigError as error:
        problems = error.problems
    assert problems is None or {problem.startswith(f"{path}:") for problem in problems} == {True}


def test_other_links_share_the_key_and_say_what_may_go_over_them(write_config: Write) -> None:
    links = """[[uplink.other]]
broker = "mqtts://198.51.100.7"
kind = "cellular"
budget_mb_day = 50
windows = ["22:00-06:30"]
[[uplink.other]]
broker = "mqtt://198.51.100.8:1884"
"""
    first = load(write_config(more=links)).uplink
    cellular, last = first.others
    assert (first.kind, first.budget_bytes, first.windows) == ("ethernet", None, ())
    assert (cellular.url, cellular.kind, cellular.budget_bytes) == ("mqtts://198.51.100.7:8883", "cellular", 50_000_000)
    assert cellular.windows == ((1320, 390),)
    assert (cellular.key_file, cellular.password_file) == (first.key_file, first.password_file)
    assert last.url == "mqtt://198.51.100.8:1884"


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ('kind = "celular"', "uplink.other[0].kind: 'celular' is not known; did you mean 'cellular'?"),
        ('windows = ["6-7"]', "uplink.other[0].windows: expected \"HH:MM-HH:MM\" in UTC, not '6-7'"),
        ('windows = ["06:00-06:00"]', "uplink.other[0].windows: '06:00-06:00' is no time at all"),
        ('modem = "nowhere"', "uplink.other[0].modem: there is no bus 'nowhere'"),
        ("budget_mb_day = 0", "uplink.other[0].budget_mb_day: 0 is not between 0.01 and 1e+06"),
    ],
)
def test_what_is_wrong_with_another_link_is_told_with_its_key(key: str, complaint: str, write_config: Write) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write_config(more=f'[[uplink.other]]\nbroker = "mqtt://127.0.0.1:2"\n{key}\n'))
    assert complaint in str(refused.value)
