import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config
from agent.settings import Config
from agent.toml import ConfigError
from drivers import catalog
from drivers.outside.family import OutsideFamily
from protocols import citycode
from tests.outsider import DRIVER, change, install

Write = Callable[..., Path]
BUS = f"""
[[bus]]
name = "strange"
driver = "acme"
address = "10.0.0.1:1"
options = {{ mode = "mode" }}
[[bus.device]]
code = "{citycode.mint("D", "1101149001009999").text}"
name = "Gauge"
model = "gauge"
unit = 7
"""


def load(path: Path) -> Config:
    return config.load(path, {}, catalog.ALL)


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return "\n".join(problem.replace(f"{path.parent}/", "") for problem in caught.value.problems)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def allowing(write_config: Write, *names: str, bus: str = BUS, more: str = "") -> Path:
    allow = ", ".join(f'"{name}"' for name in names)
    return write_config(devices=1, more=f"{bus}\n[drivers]\nallow = [{allow}]\n{more}")


def test_an_allowed_driver_answers_for_itself_and_its_model_is_described(site: Path, write_config: Write) -> None:
    install(site)
    loaded = load(allowing(write_config, "acme", more="memory_mb = 100\nreload = true\n"))
    family = loaded.outsiders["acme"]
    assert isinstance(family, OutsideFamily)
    assert (str(family.watch.driver), family.watch.memory_bytes) == ("driver acme (acme-hutong 1.2)", 100 << 20)
    assert [channel.name for channel in loaded.models["acme", "gauge"].channels] == ["level", "version", "ratio"]
    assert loaded.drivers.reload
    assert "acme" not in {name.partition(".")[0] for name in sys.modules}


def test_a_driver_that_is_not_on_the_list_is_refused_with_the_line_to_add(site: Path, write_config: Write) -> None:
    install(site)
    assert (
        refused(allowing(write_config, "other"))
        .splitlines()[0]
        .endswith(
            "bus[1].driver: driver acme (acme-hutong 1.2) is installed but not allowed; "
            'add below [drivers]: allow = ["other", "acme"]'
        )
    )


def test_a_driver_nobody_has_heard_of_is_refused_with_the_nearest(site: Path, write_config: Write) -> None:
    install(site)
    said = refused(allowing(write_config, "acme", bus=BUS.replace('driver = "acme"', 'driver = "acne"')))
    assert "bus[1].driver: 'acne' is not known; did you mean 'acme'?" in said


def test_an_allowed_driver_that_is_not_installed_is_told_with_what_to_do(site: Path, write_config: Write) -> None:
    said = refused(allowing(write_config, "acme"))
    assert "drivers.allow: no installed distribution offers a driver 'acme'" in said
    assert f"install the one that does: {sys.executable} -m pip install DISTRIBUTION" in said
    assert said.count("acme") == 1


def test_the_name_of_a_driver_of_our_own_is_not_given_away(site: Path, write_config: Write) -> None:
    install(site, name="modbus-tcp")
    said = refused(allowing(write_config, "modbus-tcp", bus=""))
    assert "drivers.allow: 'modbus-tcp' is a driver of hutong's own; nobody else's may have its name" in said


def test_two_distributions_with_one_driver_s_name_are_both_named(site: Path, write_config: Write) -> None:
    install(site)
    install(site, distribution="acme-again", package="acme2")
    said = refused(allowing(write_config, "acme"))
    assert "acme-again and acme-hutong both offer a driver 'acme'; uninstall one of them" in said


@pytest.mark.parametrize(
    ("allow", "words"),
    [
        (["Acme"], "'Acme' is no driver's name"),
        (["../acme"], "'../acme' is no driver's name"),
        (["acme", "acme"], "'acme' stands twice"),
    ],
)
def test_a_list_with_a_mistake_in_it_is_refused(site: Path, write_config: Write, allow: list[str], words: str) -> None:
    install(site)
    assert words in refused(allowing(write_config, *allow, bus=""))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("unit = 7", "unit = 100", "bus[1].device[0].unit: 100 is not between 1 and 99"),
        ('model = "gauge"', 'model = "gorge"', "device[0].model: there is no model 'gorge'; there is gauge"),
        ('{ mode = "mode" }', "{ moed = 1 }", "bus[1].options: mode is missing"),
        ('{ mode = "mode" }', "{ mode = 2026-01-01 }", "bus[1].options: driver acme (acme-hutong 1.2) cannot be asked"),
        ('address = "10.0.0.1:1"', 'address = "/dev/ttyS9"', "acme expects host:port"),
    ],
)
def test_what_the_driver_does_not_take_is_a_mistake_at_its_line(
    site: Path, write_config: Write, old: str, new: str, words: str
) -> None:
    install(site)
    assert words in refused(allowing(write_config, "acme", bus=BUS.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("VERSION = 1", "VERSION = = 1", "SyntaxError: invalid syntax"),
        ("VERSION = 1", "ctypes.string_at(0)", "it crashed: SIGSEGV"),
        ("VERSION = 1", "bytearray(1 << 30)", "it asked for more memory than the 128 MB it may take"),
        ("FAMILY = Family()", "", "has no attribute 'FAMILY'"),
        ("FAMILY = Family()", "FAMILY = 3", "is no drivers.base.Family: it is 3"),
    ],
)
def test_a_driver_that_cannot_even_be_loaded_is_a_mistake_of_the_configuration(
    site: Path, write_config: Write, old: str, new: str, words: str
) -> None:
    package = install(site)
    change(package / "driver.py", old, new)
    said = refused(allowing(write_config, "acme"))
    assert "bus[1].driver: driver acme (acme-hutong 1.2) failed: " in said
    assert words in said
    assert len(said.splitlines()) == 1


def test_a_driver_of_devices_that_report_is_refused(site: Path, write_config: Write) -> None:
    install(site, DRIVER.replace("def create_line(", "def create_listener("))
    assert "only those that are asked may come from outside" in refused(allowing(write_config, "acme"))


def test_status_reads_a_configuration_without_looking_for_drivers(site: Path, write_config: Write) -> None:
    assert config.load(allowing(write_config, "acme"), {}).drivers.allow == ("acme",)


def test_a_gateway_without_outsiders_loads_nothing_for_them(write_config: Write) -> None:
    program = (
        "import sys; from pathlib import Path; from agent import config, site, supervisor; from drivers import catalog;"
        "loaded = config.load(Path(sys.argv[1]), {}, catalog.ALL);"
        "supervisor.Agent(site.build(loaded), catalog.ALL, bytes(32), '');"
        "sys.exit(str([name for name in sys.modules if name.startswith('drivers.outside')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(write_config())], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"
