"""The chain under load and random kills for hours: nothing is lost or doubled, and nothing grows.

`make soak` runs it for HUTONG_SOAK_HOURS, with a line of progress for every fault and every check.
"""

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.chain import Chain, Gateway, Kill, wait_for
from tests.e2e.truth import ALL, GATEWAY, Journal, judge_all, start, stored

SEED = 20260302
MEASURED = ("agent", "ingest", "serve")
# What the measured ones must bear without growing is killed more often than they are.
VICTIMS = {"broker": 4, "postgres": 4, "agent": 1, "ingest": 1, "serve": 1}
OUTAGE_S = (0.5, 5.0)
BACKLOG_S = 90
COMMITTED_S = 1.0  # what was answered before is on the gateway's disk (ADR 4)
FIRST_SIZES = 2  # are of the warm-up, however long it took to come to them
FDS_MORE = 6  # connections to the database come and go
WELCOME = {200, 503}  # what a visitor may see; 503 while there is no database


@dataclass(frozen=True)
class Plan:
    """Seconds. `growth` is what the resident memory may exceed the most seen within `warm_up_s`, as a fraction."""

    whole_s: float
    between_faults_s: float
    between_checks_s: float
    warm_up_s: float
    growth: float

    @property
    def spared_s(self) -> float:
        """How long a measured process lives at least, so that growth has time to show."""
        return self.whole_s / 8


def planned(hours: float) -> Plan:
    whole = hours * 3600
    return Plan(whole, 90, 180, min(whole / 4, 3600), 0.10)


class Visitor:
    """Somebody at the console, who looks at pages and at devices live. `seen` counts the answers by status."""

    def __init__(self, chain: Chain) -> None:
        self.seen: dict[int, int] = {}
        self._client = httpx.Client(base_url=chain.url, cookies=chain.administrator().cookies, timeout=10)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._look_around, name="visitor", daemon=True)
        self._thread.start()

    def _look_around(self) -> None:
        pages = ["/", "/devices", f"/devices/{ALL[0]}", f"/gateways/{GATEWAY}", f"/api/v1/devices/{ALL[0]}/now"]
        while not self._leaving.is_set():
            for page in pages:
                with contextlib.suppress(httpx.TransportError):
                    self._saw(self._client.get(page).status_code)
                self._leaving.wait(0.4)
            with (
                contextlib.suppress(httpx.TransportError),
                self._client.stream("GET", "/api/v1/live", params={"devices": ",".join(ALL)}) as live,
            ):
                self._saw(live.status_code)
                for at, _ in enumerate(live.iter_lines()):
                    if at > 10 or self._leaving.is_set():
                        break

    def _saw(self, status: int) -> None:
        self.seen[status] = self.seen.get(status, 0) + 1

    def leave(self) -> None:
        self._leaving.set()
        self._thread.join(30)
        self._client.close()


@dataclass
class Sizes:
    """Resident memory (MiB) and open files of the measured processes, against the most that the warm-up saw."""

    plan: Plan
    most: dict[str, tuple[float, int]] = field(default_factory=dict)
    taken: int = 0

    def take(self, chain: Chain, passed_s: float) -> str:
        """A line for people; fails when something has grown."""
        self.taken += 1
        warming = passed_s < self.plan.warm_up_s or self.taken <= FIRST_SIZES
        told = []
        for name in MEASURED:
            memory, files = _size(chain.processes[name].pid)
            told.append(f"{name} {memory:.1f} MiB {files} files")
            known_memory, known_files = self.most.get(name, (0.0, 0))
            if warming:
                self.most[name] = max(memory, known_memory), max(files, known_files)
                continue
            limit = known_memory * (1 + self.plan.growth)
            assert memory <= limit, f"{name} has grown to {memory:.1f} MiB; {known_memory:.1f} when it was warm"
            assert files <= known_files + FDS_MORE, f"{name} has {files} open files; {known_files} when it was warm"
        return ", ".join(told)


def _size(pid: int) -> tuple[float, int]:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return kib / 1024, len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names suffice, they vanish


@dataclass
class Soak:
    chain: Chain
    gateway: Gateway
    plan: Plan
    say: Callable[[str], None]
    kills: list[Kill] = field(default_factory=list)  # of the agent
    verified: dict[str, int] = field(default_factory=dict)  # the newest poll count that was compared
    compared: int = 0
    excused: int = 0

    def run(self) -> None:
        self.began = time.monotonic()
        self.journal = Journal(self.chain.folder / "journal")
        wait_for(lambda: len(stored(self.chain)) == len(ALL), 40, "first values of all devices")
        visitor = Visitor(self.chain)
        try:
            self._stress()
        finally:
            visitor.leave()
        assert not visitor.seen.keys() - WELCOME, f"a visitor saw {visitor.seen}"
        self.say(f"a visitor saw {visitor.seen}; comparing everything from the beginning")
        self.verified = {}
        self._compare()
        client = self.chain.administrator()
        proof = client.get(f"/api/v1/gateways/{self.gateway.code}/delivery").json()
        assert (proof["lost"], proof["duplicated"]) == (0, 0)

    @property
    def _passed(self) -> float:
        return time.monotonic() - self.began

    def _stress(self) -> None:
        chance, sizes = random.Random(SEED), Sizes(self.plan)
        born = dict.fromkeys(MEASURED, 0.0)
        checked, faults = 0.0, 0
        while self._passed < self.plan.whole_s:
            time.sleep(self.plan.between_faults_s * chance.uniform(0.5, 1.5))
            self.chain.wait_delivered(self.gateway, BACKLOG_S)
            if self._passed - checked >= self.plan.between_checks_s:
                checked = self._passed
                self._compare()
                told = sizes.take(self.chain, self._passed)
                self._tell(f"{faults} faults, {self.compared} answers compared, {self.excused} excused; {told}")
            may = {name: weight for name, weight in VICTIMS.items() if self._may_die(name, born)}
            (victim,) = chance.choices(list(may), list(may.values()))
            outage = chance.uniform(*OUTAGE_S)
            kill = self.chain.kill(victim)
            if victim == "agent":
                self.kills.append(kill)
            time.sleep(outage)
            self.chain.restart(victim)
            if victim in born:
                born[victim] = self._passed
            faults += 1
            self._tell(f"killed {victim}, away for {outage:.1f} s")
        self.chain.wait_delivered(self.gateway, BACKLOG_S)
        assert faults > 0

    def _may_die(self, name: str, born: dict[str, float]) -> bool:
        return name not in born or self._passed - born[name] >= self.plan.spared_s

    def _compare(self) -> None:
        last = self.journal.newest()
        time.sleep(COMMITTED_S)
        self.chain.wait_delivered(self.gateway, BACKLOG_S)
        verdicts = judge_all(self.chain, self.journal, self.kills, after=self.verified, upto=last)
        assert {code: verdict for code, verdict in verdicts.items() if not verdict.holds} == {}
        self.verified = last
        self.compared += sum(verdict.compared for verdict in verdicts.values())
        self.excused += sum(verdict.excused for verdict in verdicts.values())

    def _tell(self, what: str) -> None:
        self.say(f"{self._passed / 60:7.1f} of {self.plan.whole_s / 60:.1f} min: {what}")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[tuple[Chain, Gateway]]:
    with Chain(tmp_path) as running:
        yield running, start(running)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_hours_of_load_and_kills_lose_nothing_and_let_nothing_grow(chain: tuple[Chain, Gateway]) -> None:
    Soak(*chain, planned(float(os.environ.get("HUTONG_SOAK_HOURS", "4"))), say).run()


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_minute_of_load_and_kills_loses_nothing_and_lets_nothing_grow(chain: tuple[Chain, Gateway]) -> None:
    # Too short for memory to be flat to a tenth: what was just started still warms up.
    Soak(*chain, Plan(75, 4, 15, 30, 0.25), say).run()
