from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis.top import ORDERS, View, render
from agent.status import _width

KEYS = st.lists(st.sampled_from(["b", "e", "l", "a", "/", "x", "enter", "escape", "backspace", "up", "down", "other"]))


def pressed(*keys: str) -> View:
    view = View()
    for key in keys:
        after = view.press(key)
        assert after is not None
        view = after
    return view


@given(KEYS, st.integers(1, 60), st.integers(1, 200))
def test_every_screen_is_filled_exactly_whatever_is_pressed(keys: list[str], height: int, width: int) -> None:
    from tests.agent.conftest import REPORT

    lines = render(REPORT, pressed(*keys), height, width)
    assert len(lines) == height
    assert {_width(line) for line in lines} == {width}


def test_at_80_by_24_the_line_that_is_down_and_the_device_that_is_away_are_seen(report: dict[str, Any]) -> None:
    page = "\n".join(render(report, View(), 24, 80))
    assert "tunnel      DOWN: no connection" in page
    assert "1 UNREACHABLE" in page
    assert "AWAY" in page
    assert "3 timeout" in page
    assert "83.2" in page
    assert "q quit" in page


@pytest.mark.parametrize("order", ORDERS)
def test_the_worst_stands_first(report: dict[str, Any], order: str) -> None:
    lines = render(report, pressed(order), 24, 80)
    first = next(line for line in lines if line.startswith("pole-line  1"))
    place = [line for line in lines if line.startswith("pole-line  1")].index(first)
    assert place == 0
    wanted = {"b": "路灯 1", "e": "路灯 1", "l": "路灯 1", "a": "Meter"}[order]
    assert wanted in first


def test_a_filter_is_typed_and_taken_back(report: dict[str, Any]) -> None:
    typing = pressed("/", "m", "e", "t")
    assert render(report, typing, 24, 80)[-1].startswith("/met ")
    page = "\n".join(render(report, pressed("/", "m", "e", "t", "enter"), 24, 80))
    assert "1 devices by bus, with 'met'" in page
    assert pressed("/", "m", "escape").filter == ""
    assert pressed("/", "q", "backspace", "enter").filter == ""
    assert View().press("q") is None
