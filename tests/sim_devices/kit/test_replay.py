import json
from typing import Any

import pytest

from sim_devices.kit.replay import Unusable, by_unit, read
from sim_devices.modbus.registers import NoSuchAddress, Table


def line(t: int, *registers: int, **other: Any) -> str:
    entry = {"t": t, "sim": t, "device": "D1", "unit": 1, "table": "input", "address": 10, "count": len(registers),
             "registers": list(registers), "fault": None}  # fmt: skip
    return json.dumps(entry | other)


def test_a_register_holds_what_was_read_there_when_it_was() -> None:
    (device,) = by_unit(read([line(2000, 7, 8), line(1000, 5), line(3000, 9)])).values()
    held = []
    for now in (0, 999, 1000, 1999, 2000, 2999, 3000, 10**9):
        device.now_ms = now
        held.append(device.read(Table.INPUT, 10, 1)[0])
    assert held == [5, 5, 5, 5, 7, 7, 9, 9]
    assert device.read(Table.INPUT, 10, 2) == [9, 8]


def test_what_was_never_read_is_not_there_and_nothing_is_written() -> None:
    (device,) = by_unit(read([line(1000, 5)])).values()
    for table, address, count in ((Table.INPUT, 9, 2), (Table.HOLDING, 10, 1)):
        with pytest.raises(NoSuchAddress, match="was never read"):
            device.read(table, address, count)
    with pytest.raises(NoSuchAddress, match="cannot be written"):
        device.write(Table.INPUT, 10, [1])


def test_two_devices_of_one_unit_are_told_apart_by_choosing_one() -> None:
    lines = [line(1000, 5), line(1000, 6, device="D2")]
    with pytest.raises(Unusable, match="D2 and D1 both have unit 1: choose one with --device"):
        by_unit(read(lines))
    (device,) = by_unit(read(lines, ["D2"])).values()
    assert device.read(Table.INPUT, 10, 1) == [6]


def test_lines_of_other_protocols_are_counted() -> None:
    meter = json.dumps({"t": 1, "device": "D3", "unit": "000000000161", "di": "00010000", "fault": None})
    recording = read([line(1000, 5), meter, line(4000, 5)])
    assert (recording.others, recording.begin, recording.end) == (1, 1000, 4000)


@pytest.mark.parametrize("bad", ["", "{}", "[1]", '{"t": 1}', line(1, 5, table="heap"), line(1, 5, unit="x"),
                                 line(1, 5, registers=3)])  # fmt: skip
def test_a_line_that_is_none_of_a_journal_is_named(bad: str) -> None:
    with pytest.raises(Unusable, match="line 2"):
        read([line(1000, 5), bad])


def test_a_journal_without_the_device_says_so() -> None:
    with pytest.raises(Unusable, match="D9"):
        read([line(1000, 5)], ["D9"])
