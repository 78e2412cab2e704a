"""A gateway with eight meters, and a comparison of what was stored with the journal of what the simulators answered.

`poll_count` differs in every answer, so a reading that is missing, doubled or moved to another time shows.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx

from protocols import citycode
from tests.e2e.chain import Chain, Gateway, raw_history

TCP = [citycode.mint("D", f"1101149001001{n:03d}").text for n in range(1, 5)]
LINE = [citycode.mint("D", f"1101149001002{n:03d}").text for n in range(1, 5)]
GATEWAY = citycode.mint("D", "1101149001000077").text
LOST_BEFORE_A_KILL_MS = 1000  # the issue's and ADR 4's promise
TICK_TO_ANSWER_MS = 600  # a reading is stamped with its tick; the device answers within its time-out


def start(chain: Chain) -> Gateway:
    """Simulators with a journal, and an agent that polls them."""
    folder = chain.folder
    gateway = chain.enrol(GATEWAY)
    chain.run_simulators(_simulators(folder), ready=lambda _pid: (folder / "ports.json").exists())
    chain.run_agent(gateway, _buses(folder))
    return gateway


def _simulators(folder: Path) -> str:
    tcp = "".join(
        f'[[bus]]\nname = "tcp-{n}"\nkind = "tcp"\n'
        f'[[bus.device]]\ncode = "{code}"\nname = "Meter {n}"\nmodel = "meter_1p"\nunit = 1\n'
        for n, code in enumerate(TCP)
    )
    line = f'[[bus]]\nname = "line"\nkind = "pty"\nlink = "{folder}/line"\n' + "".join(
        f'[[bus.device]]\ncode = "{code}"\nname = "Line meter {n}"\nmodel = "meter_1p"\nunit = {n}\n'
        for n, code in enumerate(LINE, 1)
    )
    return f'seed = 7\njournal = "{folder}/journal"\nports_file = "{folder}/ports.json"\n{tcp}{line}'


def _buses(folder: Path) -> str:
    ports = json.loads((folder / "ports.json").read_text("utf-8"))
    tcp = "".join(
        f'[[bus]]\nname = "tcp-{n}"\ndriver = "modbus-tcp"\naddress = "{ports[f"tcp-{n}"]}"\ntimeout_s = 0.5\n'
        f'[[bus.device]]\ncode = "{code}"\nname = "Meter {n}"\nmodel = "meter_1p"\nunit = 1\nperiod_s = 0.2\n'
        for n, code in enumerate(TCP)
    )
    line = f'[[bus]]\nname = "line"\ndriver = "modbus-rtu"\naddress = "{folder}/line"\nbaud = 115200\ntimeout_s = 0.5\n'
    line += "".join(
        f'[[bus.device]]\ncode = "{code}"\nname = "Line meter {n}"\nmodel = "meter_1p"\nunit = {n}\nperiod_s = 0.5\n'
        for n, code in enumerate(LINE, 1)
    )
    return tcp + line


def answered(folder: Path) -> dict[str, dict[int, int]]:
    """By device: poll count to the time it was answered, UTC in ms."""
    found: dict[str, dict[int, int]] = {code: {} for code in TCP + LINE}
    with (folder / "journal").open(encoding="utf-8") as lines:
        for text in lines:
            if not text.endswith("\n"):
                break  # being written
            entry = json.loads(text)
            at = 14 - entry["address"]
            if entry["table"] == "input" and at >= 0 and at + 1 < entry["count"]:
                high, low = entry["registers"][at : at + 2]
                found[entry["device"]][high << 16 | low] = entry["t"]
    return found


def stored(client: httpx.Client) -> dict[str, int]:
    """The newest poll count stored, by device, as the console would show it."""
    found = {}
    for code in TCP + LINE:
        answer = client.get(f"/api/v1/devices/{code}/now")
        if answer.is_success:
            values = {channel["name"]: channel["value"] for channel in answer.json()["channels"]}
            if values.get("poll_count") is not None:
                found[code] = int(values["poll_count"])
    return found


def compare(
    client: httpx.Client, truth: dict[str, dict[int, int]], since: int, until: int, agent_killed_at: Sequence[int]
) -> None:
    """Asserts that what was answered between the two times (UTC, ms) is stored exactly once, where it belongs."""
    margin = 2 * TICK_TO_ANSWER_MS
    for code in TCP + LINE:
        rows = [
            row for row in raw_history(client, code, "poll_count", since - margin, until + margin) if row[1] is not None
        ]
        counts = Counter(int(value) for _, value, _ in rows)
        assert [count for count, times in counts.items() if times > 1] == [], f"{code}: stored twice"
        assert counts.keys() <= truth[code].keys(), f"{code}: values that no device ever answered"
        missing = [t for count, t in truth[code].items() if since <= t <= until and count not in counts]
        unexplained = [
            t for t in missing if not any(0 <= killed - t <= LOST_BEFORE_A_KILL_MS for killed in agent_killed_at)
        ]
        assert unexplained == [], f"{code}: lost although it was committed"
        for t, value, quality in rows:
            assert quality == 0
            assert abs(truth[code][int(value)] - t) <= TICK_TO_ANSWER_MS, f"{code}: moved in time"
