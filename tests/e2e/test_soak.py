"""Load for hours with random kills: exactly once all along, and nothing that grows.

`make soak` runs HUTONG_SOAK_HOURS (4 unless set); `make test-all` a minute of the same.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e import truth
from tests.e2e.chain import Chain, Gateway, wait_for

SEED = 20261124
VICTIMS = ("broker", "agent", "ingest", "serve", "postgres")
WATCHED = ("agent", "ingest", "serve")
WARM_UP_S = 20.0  # of a process, before its memory and descriptors are taken as its measure
MORE_MB, MORE_FDS = 12.0, 30  # what a process may have above its measure: caches fill, connections come and go


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[tuple[Chain, Gateway]]:
    with Chain(tmp_path) as running:
        yield running, truth.start(running)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_minute_of_random_kills_loses_nothing_doubles_nothing_and_grows_nothing(chain: tuple[Chain, Gateway]) -> None:
    soak(*chain, seconds=60, between=(3, 6), check_every=25)


@pytest.mark.soak
def test_hours_of_random_kills_lose_nothing_double_nothing_and_grow_nothing(chain: tuple[Chain, Gateway]) -> None:
    hours = float(os.environ.get("HUTONG_SOAK_HOURS", "4"))
    soak(*chain, seconds=hours * 3600, between=(20, 120), check_every=300)


def soak(chain: Chain, gateway: Gateway, *, seconds: float, between: tuple[float, float], check_every: float) -> None:
    client, draw = chain.administrator(), random.Random(SEED)
    wait_for(lambda: len(truth.stored(client)) == len(truth.TCP + truth.LINE), 40, "first values of all devices")
    began = time.monotonic()
    checked = int(time.time() * 1000)
    next_check = began + check_every
    agent_killed_at: list[int] = []
    measure: dict[int, tuple[float, int]] = {}  # by process id: MB and descriptors once warm
    kills = 0
    while time.monotonic() < began + seconds:
        time.sleep(draw.uniform(*between))
        grown(chain, measure)
        victim = draw.choice(VICTIMS)
        chain.kill(victim)
        kills += 1
        if victim == "agent":
            agent_killed_at.append(int(time.time() * 1000))
        time.sleep(draw.uniform(0.2, 3))
        chain.restart(victim)
        if time.monotonic() >= next_check:
            next_check = time.monotonic() + check_every
            checked = check(chain, gateway, checked, agent_killed_at)
            say(f"{(time.monotonic() - began) / 60:.0f} min, {kills} kills: exactly once so far; {sizes(chain)}")
    check(chain, gateway, checked, agent_killed_at)
    say(f"done after {kills} kills: {sizes(chain)}")


def check(chain: Chain, gateway: Gateway, since: int, agent_killed_at: list[int]) -> int:
    """Waits for the backlog, compares all that came since the last check, and returns until when."""
    client = chain.administrator()
    last = {code: max(polls) for code, polls in truth.answered(chain.folder).items()}
    wait_for(lambda: all(truth.stored(client).get(code, 0) >= n for code, n in last.items()), 90, "the backlog")
    wait_for(lambda: chain.metrics(gateway)["hutong_agent_spool_messages"] <= 3, 60, "an empty spool")
    wanted = truth.answered(chain.folder)
    until = min(wanted[code][count] for code, count in last.items())
    truth.compare(client, wanted, since, until, agent_killed_at)
    proof = client.get(f"/api/v1/gateways/{gateway.code}/delivery").json()
    assert (proof["lost"], proof["duplicated"]) == (0, 0)
    return until


def grown(chain: Chain, measure: dict[int, tuple[float, int]]) -> None:
    for name in WATCHED:
        process = psutil.Process(chain.processes[name].pid)
        if time.time() - process.create_time() < WARM_UP_S:
            continue
        memory, descriptors = process.memory_info().rss / 1e6, process.num_fds()
        at_first = measure.setdefault(process.pid, (memory, descriptors))
        assert memory <= at_first[0] + MORE_MB, f"{name} grew from {at_first[0]:.0f} to {memory:.0f} MB"
        assert descriptors <= at_first[1] + MORE_FDS, f"{name}: {at_first[1]} descriptors became {descriptors}"


def sizes(chain: Chain) -> str:
    return ", ".join(
        f"{name} {psutil.Process(chain.processes[name].pid).memory_info().rss / 1e6:.0f} MB" for name in WATCHED
    )


def say(text: str) -> None:
    sys.stderr.write(f"soak: {text}\n")
