from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.ingest.births import MAX_CHANNELS, TooManyChannels, channels_of, make_plan, merge_channels
from protocols.edge.birth import ChannelDescription, Kind
from protocols.edge.columns import F32LE, I64LE


def channel(name: str, alias: int = 0) -> ChannelDescription:
    return ChannelDescription(alias, 0, name, "q", "u", Kind.GAUGE, F32LE, 0, 1000)


@given(st.lists(st.lists(st.sampled_from("abcdefg"), unique=True), min_size=1, max_size=8))
def test_a_name_never_changes_its_index_whatever_births_come(births: list[list[str]]) -> None:
    known: list[Any] = []
    for names in births:
        before = [item["name"] for item in known]
        known = merge_channels(known, [channel(name) for name in names])
        assert [item["name"] for item in known][: len(before)] == before
        assert {item["name"] for item in known if not item.get("gone")} == set(names)
        assert len({item["name"] for item in known}) == len(known)


def test_a_counter_keeps_the_rollover_of_every_scale_and_the_newest_birth_of_a_scale_decides() -> None:
    def born(scale: int, rollover: int | None) -> list[ChannelDescription]:
        return [ChannelDescription(0, 0, "e", "energy", "kWh", Kind.COUNTER, I64LE, scale, 1000, rollover=rollover)]

    known = merge_channels([], born(-2, 10**8))
    assert known[0]["rollovers"] == {"-2": 10**8}
    known = merge_channels(known, born(-3, 10**9))
    assert known[0]["rollovers"] == {"-2": 10**8, "-3": 10**9}
    assert merge_channels(merge_channels(known, []), born(-3, 10**9)) == known
    known = merge_channels(known, born(-3, None))
    assert known[0]["rollovers"] == {"-2": 10**8}
    assert "rollovers" not in merge_channels(known, born(-2, None))[0]


def test_a_device_that_invents_names_without_end_is_stopped() -> None:
    known = merge_channels([], [channel(f"c{n}") for n in range(MAX_CHANNELS)])
    with pytest.raises(TooManyChannels):
        merge_channels(known, [channel("one-more")])


def test_a_plan_gives_each_alias_its_device_and_index(gateway: Any, other_gateway: Any) -> None:
    two = other_gateway(devices={"A": ("x", "y"), "B": ("y",)})
    description = two.description()
    known = {
        code: (at, merge_channels([], born)) for at, (code, born) in enumerate(channels_of(description).items(), 7)
    }
    plan = make_plan(description, known)
    assert plan.places == {0: (7, 0), 1: (7, 1), 2: (8, 0)}
    assert plan.widths == {7: 2, 8: 1}
