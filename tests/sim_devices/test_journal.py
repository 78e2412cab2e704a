import json
from pathlib import Path

from sim_devices.clock import Now
from sim_devices.faults import Fault, Kind
from sim_devices.journal import Journal
from sim_devices.models.base import Options
from sim_devices.world import World


def test_a_line_is_on_disk_before_the_next_and_a_second_run_adds_to_it(tmp_path: Path) -> None:
    device = World(1, 0).add("D1", "lamp_controller", Options())
    path = tmp_path / "deep" / "journal.jsonl"
    for run in range(2):
        journal = Journal(path)
        said = {"table": "input", "address": 2, "count": 2, "registers": [1, 2]}
        journal.record(Now(0.0, 5, 9), 3, device, said, Fault(Kind.LATE))
        assert len(path.read_text().splitlines()) == run + 1
        journal.close()
    assert json.loads(path.read_text().splitlines()[0]) == {
        "t": 5, "sim": 9, "device": "D1", "unit": 3, "table": "input", "address": 2, "count": 2,
        "registers": [1, 2], "fault": "late",
    }  # fmt: skip
