"""Whatever is killed, every reading that was committed to the spool is stored exactly once."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import truth
from tests.e2e.chain import Chain, Gateway, wait_for


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[tuple[Chain, Gateway]]:
    with Chain(tmp_path) as running:
        yield running, truth.start(running)


@pytest.mark.timeout(240)
def test_nothing_committed_is_lost_or_doubled_when_each_part_is_killed_in_turn(chain: tuple[Chain, Gateway]) -> None:
    running, gateway = chain
    client = running.administrator()
    started = int(time.time() * 1000)
    wait_for(lambda: len(truth.stored(client)) == len(truth.TCP + truth.LINE), 40, "first values of all devices")

    agent_killed_at = []
    for victim in ("broker", "agent", "ingest", "serve", "postgres", "agent"):
        time.sleep(1.5)  # load runs on between the faults
        running.kill(victim)
        if victim == "agent":
            agent_killed_at.append(int(time.time() * 1000))
        time.sleep(2)  # the outage
        running.restart(victim)
    time.sleep(2)

    wanted = truth.answered(running.folder)
    last = {code: max(polls) for code, polls in wanted.items()}
    until = min(wanted[code][count] for code, count in last.items())
    wait_for(lambda: all(truth.stored(client).get(code, 0) >= n for code, n in last.items()), 60, "the backlog")
    truth.compare(client, truth.answered(running.folder), started - 60_000, until, agent_killed_at)

    def proof() -> tuple[int, int, int]:
        found = client.get(f"/api/v1/gateways/{gateway.code}/delivery").json()
        return found["lost"], found["duplicated"], found["pending"]

    wait_for(lambda: proof() == (0, 0, 0), 30, "a proof of 0 lost, 0 duplicated and nothing pending")
    page = client.get(f"/gateways/{gateway.code}", headers={"Accept-Language": "en"}).text
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert re.search(r"\b0 lost ?, 0 duplicated\b", words)
