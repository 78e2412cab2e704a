"""Whatever is killed, every reading that was committed to the spool is stored exactly once."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.chain import Chain, Gateway, Kill, wait_for
from tests.e2e.truth import ALL, Journal, Verdict, judge, judge_all, start, stored


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[tuple[Chain, Gateway]]:
    with Chain(tmp_path) as running:
        yield running, start(running)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_nothing_committed_is_lost_or_doubled_when_each_part_is_killed_in_turn(
    chain: tuple[Chain, Gateway], tmp_path: Path
) -> None:
    running, gateway = chain
    client = running.administrator()
    journal = Journal(tmp_path / "journal")
    wait_for(lambda: len(stored(running)) == len(ALL), 40, "first values of all devices")

    kills = []
    for victim in ("broker", "agent", "ingest", "serve", "postgres", "agent"):
        time.sleep(1.5)  # load runs on between the faults
        kill = running.kill(victim)
        if victim == "agent":
            kills.append(kill)
        time.sleep(2)  # the outage
        running.restart(victim)
    time.sleep(1.5)

    last = journal.newest()
    time.sleep(1)  # all of that is committed
    running.wait_delivered(gateway, 60)  # not until the newest is there: what was resent comes in behind it
    verdicts = judge_all(running, journal, kills, after={}, upto=last)
    assert {code: verdict for code, verdict in verdicts.items() if not verdict.holds} == {}

    def proof() -> tuple[int, int, int]:
        found = client.get(f"/api/v1/gateways/{gateway.code}/delivery").json()
        return found["lost"], found["duplicated"], found["pending"]

    wait_for(lambda: proof() == (0, 0, 0), 30, "a proof of 0 lost, 0 duplicated and nothing pending")
    page = client.get(f"/gateways/{gateway.code}", headers={"Accept-Language": "en"}).text
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert re.search(r"\b0 lost ?, 0 duplicated\b", words)


def test_the_comparison_sees_what_is_lost_doubled_invented_moved_or_bad() -> None:
    truth = {1: 1000, 2: 2000, 3: 3000, 4: 4000, 5: 5000}
    rows = [(1000, 1.0, 0), (2000, 2.0, 0), (2010, 2.0, 0), (4000, 4.0, 0x40000000), (9000, 5.0, 0), (6000, 77.0, 0)]
    found = judge(rows, truth, [], after=0, upto=4)
    assert found == Verdict(doubled=[2], invented=[77], lost=[3], moved=[5], bad=[4], excused=0, compared=4)
    assert not found.holds


def test_an_answer_is_excused_by_its_own_failed_tick_or_by_the_kill_of_who_asked() -> None:
    truth = {1: 1000, 2: 2000, 3: 9000}
    assert judge([(800, None, 0x80050000)], truth, [], after=0, upto=3).lost == [2, 3]
    assert judge([], truth, [Kill(2900, 2950)], after=0, upto=3).lost == [1, 3]
    assert judge([(800, None, 0x80050000)], truth, [Kill(2900, 2950)], after=0, upto=2).holds
