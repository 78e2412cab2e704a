"""Bytes of real connections as the kernel counts them, and the days they are counted on."""

import socket
import threading
from pathlib import Path

import pytest

from agent.clock import FLOOR_MS
from agent.uplink.traffic import DAY_MS, SAVE_MS, Bytes, Traffic, of

NOON = 20_000 * DAY_MS + DAY_MS // 2


def test_what_a_connection_carried_is_counted_both_ways_with_its_headers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()

        def answer() -> None:
            taken = 0
            while taken < 100_000:
                taken += len(far.recv(65536))
            far.sendall(bytes(5_000))

        other = threading.Thread(target=answer)
        other.start()
        near.sendall(bytes(100_000))
        got = 0
        while got < 5_000:
            got += len(near.recv(65536))
        other.join()
        carried = of(near)
        near.close()
        far.close()
    assert 100_000 < carried.sent < 110_000
    assert 5_000 < carried.received < 15_000
    assert of(near) == of(None) == Bytes()


def test_counts_grow_by_what_is_new_and_begin_again_with_the_day() -> None:
    traffic = Traffic(None, ["a", "b"], NOON)
    traffic.began("a")
    traffic.count("a", Bytes(100, 10), NOON)
    traffic.count("a", Bytes(150, 10), NOON + 1)
    traffic.count("a", Bytes(), NOON + 2)  # the socket is gone
    assert traffic.today("a") == (150, 10)
    traffic.began("a")
    traffic.count("a", Bytes(7, 3), NOON + 3)
    assert traffic.today("a") == (157, 13)
    traffic.count("a", Bytes(8, 3), NOON + DAY_MS)
    assert traffic.today("a") == (1, 0)
    traffic.count("a", Bytes(9, 3), NOON)
    assert traffic.today("a") == (2, 0), "a clock that goes back does not give a budget twice"
    assert traffic.total["a"] == (159, 13)
    assert traffic.today("b") == (0, 0)


def test_a_days_counts_outlive_the_process_and_another_days_do_not(tmp_path: Path) -> None:
    path = tmp_path / "links.json"
    traffic = Traffic(path, ["a"], NOON)
    traffic.began("a")
    traffic.count("a", Bytes(100, 10), NOON + SAVE_MS)
    assert Traffic(path, ["a", "b"], NOON).today("a") == (100, 10)
    assert Traffic(path, ["b"], NOON).today("b") == (0, 0)
    assert Traffic(path, ["a"], NOON + DAY_MS).today("a") == (0, 0)


def test_a_box_that_starts_without_a_clock_has_spent_what_it_had_spent(tmp_path: Path) -> None:
    today = FLOOR_MS + 200 * DAY_MS
    path = tmp_path / "links.json"
    traffic = Traffic(path, ["a"], today)
    traffic.began("a")
    traffic.count("a", Bytes(100, 10), today + SAVE_MS)
    again = Traffic(path, ["a"], 5000)
    again.count("a", Bytes(), 6000)
    again.count("a", Bytes(), today + 2 * SAVE_MS)
    assert again.today("a") == (100, 10)
    again.count("a", Bytes(), today + DAY_MS)
    assert again.today("a") == (0, 0)


def test_a_clock_that_was_years_ahead_does_not_make_a_day_of_years() -> None:
    today = FLOOR_MS + 200 * DAY_MS
    traffic = Traffic(None, ["a"], today + 10_000 * DAY_MS)
    traffic.began("a")
    traffic.count("a", Bytes(100, 10), today + 10_000 * DAY_MS)
    traffic.count("a", Bytes(100, 10), today)
    assert traffic.today("a") == (100, 10)
    traffic.count("a", Bytes(100, 10), today + DAY_MS)
    assert traffic.today("a") == (0, 0)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"day": 20000, "links": {"a": [1]}}', '{"day": 20000, "links": 3}'])
def test_a_damaged_file_costs_a_count_and_not_the_start(text: str, tmp_path: Path) -> None:
    path = tmp_path / "links.json"
    path.write_text(text, "utf-8")
    assert Traffic(path, ["a"], NOON).today("a") == (0, 0)
