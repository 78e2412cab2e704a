from datetime import timedelta
from pathlib import Path

import pytest

from sim_devices.config import BusConfig, Config, ConfigError, DeviceConfig, load
from sim_devices.faults import Kind
from sim_devices.models.base import Options
from sim_devices.models.catalog import BUILTIN
from sim_devices.modem.settings import ModemConfig

DOCS = Path(__file__).parents[2] / "docs" / "simulators.md"
GOOD = """\
seed = 7
speed = 60
start = 2026-06-21T18:00:00+08:00
position = [40.0, 116]
control = "c.sock"
journal = "j.jsonl"

[[bus]]
name = "poles"
kind = "pty"
link = "ttyPOLES"
baud = 9600

[[bus.device]]
code = "D1"
name = "lamp"
model = "lamp_controller"
unit = 1
circuit = "s/1"

[[bus.device.fault]]
kind = "late"
probability = 0.5
delay_s = 2

[[bus]]
name = "tunnel"
kind = "tcp"
listen = "127.0.0.1:5020"

[[bus.device]]
code = "D2"
model = "fan"
section = "t/1"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sim.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file_is_read_with_paths_beside_it(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    assert (config.seed, config.speed, config.position) == (7, 60.0, (40.0, 116.0))
    assert config.start is not None
    assert config.start.utcoffset() == timedelta(hours=8)
    assert (config.control, config.state) == (tmp_path / "c.sock", None)
    poles, tunnel = config.buses
    assert (poles.link, poles.baud, tunnel.listen) == (tmp_path / "ttyPOLES", 9600, ("127.0.0.1", 5020))
    assert (poles.devices[0].options.circuit, tunnel.devices[0].name, tunnel.devices[0].unit) == ("s/1", "D2", 1)
    fault = poles.devices[0].faults[0]
    assert (fault.kind, fault.probability, fault.delay) == (Kind.LATE, 0.5, 2.0)


@pytest.mark.parametrize(
    ("there", "instead", "complaint"),
    [
        ("seed = 7", "sead = 7", r"sim.toml:1: sead is not known; did you mean seed\?"),
        ("speed = 60", "speed = -1", r"sim.toml:2: speed is to be above 0, not -1"),
        ("speed = 60", 'speed = "fast"', r"sim.toml:2: speed is to be a number, not 'fast'"),
        ("+08:00", "", r"sim.toml:3: start needs an offset"),
        ("[40.0, 116]", "[40.0]", r"sim.toml:4: position is to be \[latitude, longitude\]"),
        ('kind = "pty"', 'kind = "ptty"', r"sim.toml:10: bus.kind is 'ptty'; did you mean pty\?"),
        ('link = "ttyPOLES"\n', "", r"bus.link is missing: the path at which the serial port is to appear"),
        ("lamp_controller", "lamp_controler", r"sim.toml:17: bus.device.model is .*; did you mean lamp_controller\?"),
        ("unit = 1\n", "unit = 300\n", r"sim.toml:18: bus.device.unit is to be 1..247, not 300"),
        ('kind = "late"', 'kind = "lat"', r"no fault is called 'lat'; did you mean late\?"),
        ("probability = 0.5", "probability = 5", r"a probability lies in 0..1"),
        ("127.0.0.1:5020", "5020", r"sim.toml:29: bus.listen is to be host:port"),
        ("127.0.0.1:5020", "127.0.0.1:²", r"sim.toml:29: bus.listen is to be host:port"),
        ('code = "D2"', 'code = "D1"', r"sim.toml:32: bus.device.code D1 is on bus poles already"),
        ('section = "t/1"\n', "", r"bus.device.section is missing: a fan stands in a compartment"),
        ('circuit = "s/1"', "phase = 3", r"bus.device.phase is to be 0, 1 or 2"),
        ('name = "tunnel"', 'name = "poles"', r"bus poles appears twice"),
        ("seed = 7", "seed = ", r"not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(
    tmp_path: Path, there: str, instead: str, complaint: str
) -> None:
    assert there in GOOD
    with pytest.raises(ConfigError, match=complaint):
        load(written(tmp_path, GOOD.replace(there, instead)))


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sim.toml"
    path.write_bytes("name = '灯'".encode("gb18030"))
    with pytest.raises(ConfigError, match="not TOML: 'utf-8'"):
        load(path)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("seed", "sead").replace("lamp_controller", "lamp").replace('"fan"', '"fun"')
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 3


def test_a_file_without_a_bus_is_told_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"at least one \[\[bus\]\]"):
        load(written(tmp_path, "seed = 1\n"))


def test_the_example_of_the_documentation_is_read_and_names_every_key(tmp_path: Path) -> None:
    example = DOCS.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    config = load(written(tmp_path, example))
    assert [bus.kind for bus in config.buses] == ["pty", "tcp"]
    for kept in (Config, BusConfig, DeviceConfig, Options, ModemConfig):
        for name in kept.__dataclass_fields__:
            if name not in ("path", "buses", "modems", "devices", "options", "faults"):
                assert name in DOCS.read_text(encoding="utf-8"), f"{name} is not documented"


def test_every_model_and_every_kind_of_fault_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name in (*BUILTIN, *Kind):
        assert f"| `{name}` |" in text


MODEM = '[[modem]]\nname = "m"\nfamily = "bc660k"\nlink = "tty"\n'


def test_a_modem_alone_is_a_simulation(tmp_path: Path) -> None:
    config = load(written(tmp_path, MODEM + "registration_s = 5\nloss = 0.1\n"))
    assert config.buses == ()
    assert config.modems == (ModemConfig("m", "bc660k", tmp_path / "tty", registration_s=5.0, loss=0.1),)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("bc660k", "bc66k"), "did you mean bc660k"),
        (('link = "tty"\n', ""), "modem.link is missing"),
        (('link = "tty"', 'link = "tty"\nloss = 1'), ":5: modem.loss is to be 0 or more and below 1"),
        (('link = "tty"', 'link = "tty"\ndelay_s = -1'), "modem.delay_s is to be 0 to 3600 s"),
        (('link = "tty"', 'link = "tty"\nrsrp = -1'), "modem.rsrp is not known; did you mean rsrp_dbm"),
    ],
)
def test_a_mistake_in_a_modem_is_told_with_line_and_key(
    change: tuple[str, str], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, MODEM.replace(*change)))
    assert complaint in str(caught.value)


PUSHED = """\
[[bus]]
name = "air"
protocol = "coap"
kind = "push"
to = "192.0.2.1:5683"
[[bus.device]]
code = "D1"
model = "climate_sensor"
unit = "urn:dev:mac:0024befffe804ff1"
"""


def test_sensors_that_push_say_where_to(tmp_path: Path) -> None:
    (bus,) = load(written(tmp_path, PUSHED)).buses
    assert (bus.kind, bus.to, bus.devices[0].unit) == ("push", ("192.0.2.1", 5683), "urn:dev:mac:0024befffe804ff1")


@pytest.mark.parametrize(
    ("there", "instead", "complaint"),
    [
        ("192.0.2.1:5683", "192.0.2.1", r"sim.toml:5: bus.to is to be host:port, not '192.0.2.1'"),
        ("to =", "listen =", r"sim.toml:5: bus.listen is not known"),
        ('"push"', '"tcp"', r"sim.toml:4: bus.kind is 'tcp'"),
        (
            '"urn:dev:mac:0024befffe804ff1"',
            "1",
            r"bus.device.unit is to be the name that the device's records begin with",
        ),
    ],
)
def test_a_mistake_in_a_bus_that_pushes_is_told_with_line_and_key(
    tmp_path: Path, there: str, instead: str, complaint: str
) -> None:
    assert there in PUSHED
    with pytest.raises(ConfigError, match=complaint):
        load(written(tmp_path, PUSHED.replace(there, instead)))


SHARED = """
[[bus]]
name = "stairs"
protocol = "dlt645"
also = ["cjt188"]
kind = "serial-over-tcp"

[[bus.device]]
code = "E"
model = "dlt645_meter_1p"
unit = "000000000161"

[[bus.device]]
code = "W"
model = "water_meter"
unit = "78330011223344"
"""


def test_a_line_takes_devices_of_all_protocols_that_it_names(tmp_path: Path) -> None:
    (bus,) = load(written(tmp_path, SHARED)).buses
    assert (bus.protocol, bus.also) == ("dlt645", ("cjt188",))
    assert [device.unit for device in bus.devices] == ["000000000161", "78330011223344"]


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('also = ["cjt188"]\n', "", r"model is 'water_meter', which speaks cjt188 and not dlt645"),
        ('["cjt188"]', '["cjt18"]', r"also is 'cjt18'; did you mean cjt188\?"),
        ('"78330011223344"', '"783300"', r"unit is to be 14 digits as text"),
        ('kind = "serial-over-tcp"', 'kind = "tcp"', r"kind is 'tcp'; did you mean|kind is 'tcp'; one of"),
    ],
)
def test_a_mistake_on_a_shared_line_is_told(tmp_path: Path, wrong: str, right: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(written(tmp_path, SHARED.replace(wrong, right)))
