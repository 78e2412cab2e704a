"""The plugin in a test module of somebody else's."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.conformance import plugin
from drivers.conformance.checks import CHECKS

ROOT = Path(__file__).parents[3]
MODULE = """
import pytest
from drivers.catalog import BUILTIN
from drivers.conformance import DriverUnderTest, Golden

@pytest.fixture
def driver_under_test():
    family = BUILTIN["modbus-rtu-over-tcp"]
    golden = Golden({
        bytes.fromhex("03 04 00 00 00 01 30 28"): bytes.fromhex("03 04 02 05 a0 c3 d8"),
        # What our driver asks in between where two answers are alike.
        bytes.fromhex("03 04 00 00 00 02 70 29"): bytes.fromhex("03 04 04 05 a0 00 00 d8 aa"),
    })
    return DriverUnderTest(family, family.load_model("fan"), 3, golden, {"speed": SPEED})

def test_conforms(driver_under_test, conformance_check):
    conformance_check(driver_under_test)
"""


def outcome(folder: Path, speed: int, *words: str) -> str:
    (folder / "test_theirs.py").write_text(MODULE.replace("SPEED", str(speed)), "utf-8")
    argv = [sys.executable, "-m", "pytest", "-p", "drivers.conformance.plugin", "-p", "no:cacheprovider", "-rs",
            "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function", *words, str(folder)]  # fmt: skip
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_each_check_is_a_test_of_its_own_with_its_name(tmp_path: Path) -> None:
    said = outcome(tmp_path, 1440, "--collect-only", "-q")
    assert [check.name for check in CHECKS if f"test_conforms[{check.name}]" not in said] == []


@pytest.mark.long
def test_a_driver_against_golden_frames_passes_and_what_is_not_known_is_skipped_with_the_reason(tmp_path: Path) -> None:
    said = outcome(tmp_path, 1440, "-k", "values or read-only or refusals or sentinels")
    assert "2 passed, 2 skipped" in said
    assert "the device under test has no answer of the kind exception" in said
    assert "`expect` has no channel without a value" in said


@pytest.mark.long
def test_a_wrong_expectation_fails_with_what_came(tmp_path: Path) -> None:
    said = outcome(tmp_path, 1441, "-k", "values")
    assert "speed is 1440, it must be 1441" in said


def test_only_the_plugin_needs_pytest() -> None:
    code = "import sys, drivers.conformance.checks, drivers.conformance.trial; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (entry,) = setup["options.entry_points"]["pytest11"].split("\n")[1:]
    name, _, module = entry.partition(" = ")
    assert name == module == plugin.__name__
