"""Eight meters that count their polls, and the comparison of what they answered with what the server has stored.

The truth is the simulators' journal of what they answered; `poll_count` differs in every answer, so a reading that is
missing, doubled or moved to another time shows.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocols import citycode
from tests.e2e.chain import Chain, Gateway, Kill, raw_history

TCP = [citycode.mint("D", f"1101149001001{n:03d}").text for n in range(1, 5)]
LINE = [citycode.mint("D", f"1101149001002{n:03d}").text for n in range(1, 5)]
ALL = TCP + LINE
GATEWAY = citycode.mint("D", "1101149001000077").text
LOST_BEFORE_A_KILL_MS = 1000  # the issue's and ADR 4's promise
IN_FLIGHT_MS = 500  # what the killed gateway had asked is answered to nobody
TICK_TO_ANSWER_MS = 600  # a reading is stamped with its tick; the device answers within its time-out
LATE_MS = 5000  # after its tick: an answer that came behind the time-out, on a machine with other work
POLL_COUNT = 14  # the address of its high word in the model meter_1p
AROUND_MS = 60_000


def start(chain: Chain) -> Gateway:
    """Simulators with a journal, and an agent that polls them."""
    gateway = chain.enrol(GATEWAY)
    chain.run_simulators(_simulators(chain.folder), ready=lambda _pid: (chain.folder / "ports.json").exists())
    chain.run_agent(gateway, _buses(chain.folder))
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


def stored(chain: Chain) -> dict[str, int]:
    """The newest poll count stored, by device, as the console would show it."""
    client = chain.administrator()
    found = {}
    for code in ALL:
        answer = client.get(f"/api/v1/devices/{code}/now")
        if answer.is_success:
            values = {channel["name"]: channel["value"] for channel in answer.json()["channels"]}
            if values.get("poll_count") is not None:
                found[code] = int(values["poll_count"])
    return found


@dataclass
class Journal:
    """What the meters answered. `read` takes what has been written since the last time, which may be hours of it."""

    path: Path
    answered: dict[str, dict[int, int]] = field(default_factory=lambda: {code: {} for code in ALL})
    _at: int = 0

    def read(self) -> dict[str, dict[int, int]]:
        """By device: poll count to the time it was answered, UTC in ms."""
        with self.path.open("rb") as source:
            source.seek(self._at)
            for line in source:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                entry = json.loads(line)
                at = POLL_COUNT - entry["address"]
                if entry["table"] == "input" and at >= 0 and at + 1 < entry["count"]:
                    high, low = entry["registers"][at : at + 2]
                    self.answered[entry["device"]][high << 16 | low] = entry["t"]
        return self.answered

    def newest(self) -> dict[str, int]:
        return {code: max(polls, default=0) for code, polls in self.read().items()}


@dataclass(frozen=True)
class Verdict:
    """Of one device. `excused` answers came to nobody: to a gateway that was killed, or after their time-out."""

    doubled: list[int]
    invented: list[int]
    lost: list[int]
    moved: list[int]
    bad: list[int]
    excused: int = 0
    compared: int = 0

    @property
    def holds(self) -> bool:
        return not (self.doubled or self.invented or self.lost or self.moved or self.bad)


def judge(
    rows: Iterable[tuple[int, float | None, int]],
    truth: Mapping[int, int],
    kills: Sequence[Kill],
    *,
    after: int,
    upto: int,
) -> Verdict:
    """Compares raw readings (time, value, quality) with the answers whose poll count is above `after`, at most `upto`.

    `kills` are those of the gateway. A tick whose poll failed excuses one answer, since it was told as failed.
    """
    read, failed = [], []
    for t, value, quality in rows:
        if value is None:
            failed.append(t)
        else:
            read.append((t, int(value), quality))
    counts = Counter(count for _, count, _ in read)
    wanted = [count for count in sorted(truth) if after < count <= upto]
    lost, excused = [], 0
    for count in wanted:
        if count in counts:
            continue
        t = truth[count]
        late = next((tick for tick in failed if 0 <= t - tick <= LATE_MS), None)
        if any(kill.sent_ms - LOST_BEFORE_A_KILL_MS <= t <= kill.gone_ms + IN_FLIGHT_MS for kill in kills):
            excused += 1
        elif late is not None:
            failed.remove(late)
            excused += 1
        else:
            lost.append(count)
    return Verdict(
        doubled=[count for count, times in counts.items() if times > 1],
        invented=[count for count in counts if count not in truth],
        lost=lost,
        moved=[count for t, count, _ in read if count in truth and abs(truth[count] - t) > TICK_TO_ANSWER_MS],
        bad=[count for _, count, quality in read if quality != 0],
        excused=excused,
        compared=len(wanted),
    )


def judge_all(
    chain: Chain, journal: Journal, kills: Sequence[Kill], *, after: Mapping[str, int], upto: Mapping[str, int]
) -> dict[str, Verdict]:
    """The verdict of every device on the poll counts above `after`, at most `upto`, through the API of the console."""
    client, truth = chain.administrator(), journal.read()
    verdicts = {}
    for code in ALL:
        times = [t for count, t in truth[code].items() if after.get(code, 0) <= count <= upto[code]]
        rows: list[Any] = [*raw_history(client, code, "poll_count", min(times) - AROUND_MS, max(times) + AROUND_MS)]
        journal.read()  # after the rows: they go on coming, and each was in the journal before
        verdicts[code] = judge(rows, truth[code], kills, after=after.get(code, 0), upto=upto[code])
    return verdicts
