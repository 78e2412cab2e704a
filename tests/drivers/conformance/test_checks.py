"""The checks against the scaffold's own driver: right, and with one bug at a time."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from drivers.conformance import DriverUnderTest, Later
from drivers.conformance.checks import CHECKS
from drivers.conformance.trial import NotConforming
from sim_devices.kit import scaffold
from sim_devices.kit.peer import Simulated, standing_still
from tests.drivers.conformance.seeded import BUGS, MORE, Bug

DOCS = Path(__file__).parents[3] / "docs" / "conformance.md"
BY_NAME = {check.name: check for check in CHECKS}
SEEDED = [*BUGS, *(pytest.param(bug, marks=pytest.mark.long) for bug in MORE)]
MODULES = ("driver", "model", "simulator")
VALUES = {"level": 4123, "total": 55_667_701, "temperature": None, "pump": 1}
LATER = {"level": 4124, "total": 55_667_702, "temperature": None, "pump": 0}

Toy = Callable[[Bug | None], DriverUnderTest]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    """The scaffolded driver over TCP, with a bug or without."""

    def make(bug: Bug | None) -> DriverUnderTest:
        folder = scaffold.create("toy-gauge", "code", tmp_path)
        if bug is not None:
            path = folder / "toy_gauge" / bug.file
            text = path.read_text("utf-8")
            for old, new in bug.changes.items():
                assert text.count(old) == 1, f"{bug.name}: the scaffold has changed: mend seeded.py"
                text = text.replace(old, new)
            path.write_text(text, "utf-8")
        monkeypatch.syspath_prepend(folder)
        driver, model, simulator = (importlib.import_module(f"toy_gauge.{name}") for name in MODULES)

        def simulated(values: Mapping[str, int | None]) -> Simulated:
            device = standing_still(simulator.MODELS["toy_gauge"], values)
            return Simulated(simulator.PROTOCOLS["toy-gauge"], "serial-over-tcp", {1: device})

        return DriverUnderTest(
            family=driver.OVER_TCP,
            model=model.load_model("toy_gauge"),
            unit=1,
            device=simulated(VALUES),
            expect=VALUES,
            later=Later(simulated(LATER), LATER),
        )

    yield make
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_gauge"]:
        del sys.modules[name]


@pytest.mark.parametrize("bug", SEEDED, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_seeded_bug_is_caught_by_the_check_that_is_named_for_it(toy: Toy, bug: Bug) -> None:
    subject = toy(bug)
    with pytest.raises(NotConforming) as caught:
        BY_NAME[bug.check](subject)
    assert str(caught.value)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_same_driver_without_a_bug_passes_that_check(toy: Toy, name: str) -> None:
    BY_NAME[name](toy(None))


def test_ten_bugs_are_seeded_and_the_docs_list_each_with_its_check() -> None:
    assert len(BUGS) == 10
    text = DOCS.read_text("utf-8")
    assert [bug.name for bug in (*BUGS, *MORE) if f"| {bug.name} | `{bug.check}` |" not in text] == []


def test_every_check_has_a_bug_that_it_catches() -> None:
    assert {bug.check for bug in (*BUGS, *MORE)} == set(BY_NAME)


def test_the_docs_list_every_check_with_its_promise() -> None:
    text = DOCS.read_text("utf-8")
    assert [check.name for check in CHECKS if f"| `{check.name}` | {check.promise} |" not in text] == []
