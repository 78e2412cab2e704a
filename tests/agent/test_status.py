from typing import Any

import pytest

from agent import status

PAGE = """\
gateway  D1101149001000077A  hutong 0.1.0, up 2 h
uplink   mqtt://127.0.0.1:1883  connected for 60 s, 10 sent, 9 acknowledged
spool    3 messages, 5 MB of 512 MB, oldest 7.5 s ago
clock    free-running, within 120 ms
config   4 (0123456789ab), ON TRIAL for 41.5 s more, else back to 3; refused 2 60 s ago: no answer from Meter

pole-line  modbus-rtu /dev/ttyUSB0  open, 43% busy
  unit  device  model            code                last value  answers in     state                  errors
  1     路灯 1  lamp_controller  D1101149001000101X  0.7 s ago   21.5..83.2 ms  ok          \
           3 timeout, 2 missed (15% lately)
  12    Meter   meter_1p         D1101149001000102W  never       -              UNREACHABLE for 5 min\
  no answer within 0.5 s

tunnel  modbus-tcp 10.0.0.1:502  DOWN: no connection, 0% busy
  unit  device  model  code  last value  answers in  state  errors"""


def test_the_page_says_what_an_operator_asks_first(report: dict[str, Any]) -> None:
    assert status.render(report) == PAGE


def test_a_broken_uplink_and_drops_are_not_overlooked(report: dict[str, Any]) -> None:
    broken = report | {
        "uplink": report["uplink"] | {"connected": False, "since_ms": None, "fault": "Not authorized"},
        "spool": report["spool"] | {"dropped": 17, "oldest_ms": None, "refuses": "disk full"},
        "clock": {"state": "unset", "bound_ms": None, "steps": 0},
    }
    page = status.render(broken).splitlines()
    assert page[1].startswith("uplink   mqtt://127.0.0.1:1883  NOT CONNECTED (Not authorized), ")
    assert page[2] == "spool    3 messages, 5 MB of 512 MB, 17 DROPPED, THE DISK REFUSES: disk full"
    assert page[3] == "clock    unset"


def test_what_is_wrong_with_a_device_that_answers_stands_in_its_row(report: dict[str, Any]) -> None:
    lamp, _ = report["buses"][0]["devices"]
    lamp |= {"fault": "unit 1: server device failure (0x04)"}
    *_, state, errors = status._device_row(lamp, report["utc_ms"])
    assert state == "ok"
    assert errors.endswith("unit 1: server device failure (0x04)")


def test_a_device_that_was_not_read_yet_is_not_called_well(report: dict[str, Any]) -> None:
    lamp, meter = report["buses"][0]["devices"]
    meter |= {"reachable": True, "fault": ""}
    assert status._device_row(lamp, report["utc_ms"])[6] == "ok"
    assert status._device_row(meter, report["utc_ms"])[4:] == ("never", "-", "not yet read", "-")


def driver(**changes: object) -> dict[str, object]:
    return {
        "name": "acme",
        "distribution": "acme-hutong",
        "version": "1.2",
        "running": 2,
        "memory": 80 << 20,
        "failures": 0,
        "fault": "",
        "disabled": "",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "driver   acme (acme-hutong 1.2)  2 running, 80 MB"),
        (
            {"failures": 1, "fault": "it crashed: SIGSEGV"},
            "driver   acme (acme-hutong 1.2)  2 running, 80 MB, 1 failure, the last: it crashed: SIGSEGV",
        ),
        (
            {"failures": 5, "disabled": "5 failures within 9 s, the last: it hung"},
            "driver   acme (acme-hutong 1.2)  DISABLED: 5 failures within 9 s, the last: it hung",
        ),
    ],
)
def test_another_distribution_s_driver_has_a_line_of_its_own(
    report: dict[str, Any], changes: dict[str, object], line: str
) -> None:
    report["drivers"] = [driver(**changes)]
    assert line in status.render(report).splitlines()


def test_links_are_told_where_there_is_a_choice_or_a_budget(report: dict[str, Any]) -> None:
    assert "\nlink " not in status.render(report)
    (link,) = report["uplink"]["links"]
    report["uplink"]["links"].append({**link, "name": "uplink.other[0]", "in_use": False, "budget": 50_000_000})
    lines = [line for line in status.render(report).splitlines() if line.startswith("link ")]
    assert "in use" in lines[0]
    assert "uplink.other[0]" in lines[1]
    assert "not in use" in lines[1]
    assert " of 4" in lines[1]
