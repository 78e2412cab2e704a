import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bus.learned import NOTHING, Learned
from agent.bus.memory import Memory, kind_of
from drivers import catalog

FAMILY = catalog.BUILTIN["modbus-tcp"]
METER, PUMP = FAMILY.load_model("meter_1p"), FAMILY.load_model("sump_pump")
HOLE = Learned(frozenset({("input", 6)}), frozenset({("input", 8, 2)}), 12.5)

places = st.tuples(st.sampled_from(["input", "coil"]), st.integers(0, 65535))
anything = st.builds(
    Learned,
    st.frozensets(places, max_size=5),
    st.frozensets(st.tuples(st.sampled_from(["input", "coil"]), st.integers(0, 65535), st.integers(1, 4)), max_size=5),
    st.none() | st.integers(0, 5000).map(lambda tenths: tenths / 10),
)


@given(learned=anything)
def test_what_is_noted_is_recalled_after_a_restart(tmp_path_factory: Any, learned: Learned) -> None:
    path = tmp_path_factory.mktemp("memory") / "learned.json"
    Memory(path).note([(METER, learned)])
    assert Memory(path).recall(METER) == learned


def test_kinds_are_kept_apart_by_their_registers_not_by_their_names_alone(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "learned.json")
    memory.note([(METER, HOLE)])
    assert memory.recall(PUMP) == NOTHING
    assert kind_of(METER) != kind_of(PUMP)


def test_what_several_of_a_kind_taught_is_kept_of_all(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "learned.json")
    other = Learned(frozenset({("input", 20)}), frozenset(), 40.0)
    memory.note([(METER, HOLE), (METER, other)])
    assert memory.recall(METER) == Learned(HOLE.cuts | other.cuts, HOLE.absent, 40.0)


def test_a_turnaround_that_wavers_is_not_worth_a_write(tmp_path: Path) -> None:
    path = tmp_path / "learned.json"
    memory = Memory(path)
    memory.note([(METER, HOLE)])
    path.unlink()
    memory.note([(METER, Learned(HOLE.cuts, HOLE.absent, 15.0))])
    assert not path.exists()
    memory.note([(METER, Learned(HOLE.cuts, HOLE.absent, 150.0))])
    assert path.exists()


@pytest.mark.parametrize(
    "damaged", ["", "[]", "{", '{"meter": {}}', '{"meter": {"cuts": [3], "absent": []}}', "\0", "[" * 100_000]
)
def test_a_damaged_file_costs_nothing_but_learning_again(
    tmp_path: Path, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "learned.json"
    path.write_text(damaged)
    with caplog.at_level(logging.WARNING):
        memory = Memory(path)
    assert "learned.json: cannot be read" in caplog.text
    assert memory.recall(METER) == NOTHING
    memory.note([(METER, HOLE)])
    assert Memory(path).recall(METER) == HOLE


def test_a_disk_that_takes_nothing_is_said_and_costs_no_reading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory(tmp_path / "no such folder" / "learned.json")
    memory.note([(METER, HOLE)])
    assert "is not kept" in caplog.text
    assert memory.recall(METER) == HOLE
