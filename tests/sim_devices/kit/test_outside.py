import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim_devices import lines
from sim_devices.kit import outside, scaffold
from sim_devices.models import catalog


@pytest.fixture(autouse=True)
def nothing_of_theirs_stays_loaded() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("their_") or name == "simulator":
            del sys.modules[name]


def written(folder: Path, text: str) -> str:
    path = folder / "their_simulator.py"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_scaffolded_simulator_is_known_to_configurations_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim_devices import config

    folder = scaffold.create("their-gauge", "code", tmp_path)
    monkeypatch.syspath_prepend(folder)
    outside.add("their_gauge.simulator")
    try:
        (bus,) = config.load(folder / "bench.toml").buses
    finally:
        del lines.BUILTIN["their-gauge"], catalog.BUILTIN["their_gauge"]
    assert (bus.protocol, bus.devices[0].model) == ("their-gauge", "their_gauge")


def test_a_simulator_in_a_file_needs_no_installation(tmp_path: Path) -> None:
    from sim_devices import config

    folder = scaffold.create("their-gauge", "template", tmp_path)
    outside.add(str(folder / "simulator.py"))
    try:
        (bus,) = config.load(folder / "bench.toml").buses
    finally:
        del catalog.BUILTIN["their_gauge"]
    assert bus.devices[0].model == "their_gauge"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has neither PROTOCOLS nor MODELS"),
        ("MODELS = 3", "MODELS must be a dict"),
        ("MODELS = {'fan': None, 'mine': None}", "MODELS has fan, which hutong has already"),
        ("PROTOCOLS = {'modbus': None}\nMODELS = {'mine': None}", "PROTOCOLS has modbus"),
        ("import no_such_thing", "ModuleNotFoundError"),
        ("1/0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_used_is_told_and_adds_nothing(tmp_path: Path, text: str, why: str) -> None:
    before = dict(lines.BUILTIN), dict(catalog.BUILTIN)
    with pytest.raises(outside.CannotAdd, match=why):
        outside.add(written(tmp_path, text))
    assert before == (lines.BUILTIN, catalog.BUILTIN)


@pytest.mark.parametrize("source", ["no_such_module_of_theirs", "/no/such/file.py"])
def test_what_is_not_there_is_told(source: str) -> None:
    with pytest.raises(outside.CannotAdd, match=source):
        outside.add(source)
