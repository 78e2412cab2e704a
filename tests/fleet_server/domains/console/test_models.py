from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.console.models import (
    GROUPINGS,
    WIDTH,
    DeviceView,
    Look,
    attention,
    device_look,
    device_view,
    group,
    headline,
    look,
    proof_spans,
    reading,
)
from fleet_server.kernel.ports import (
    ChannelNow,
    DeviceNow,
    DeviceSummary,
    GatewayNow,
    GatewaySummary,
    IncarnationProof,
)
from protocols.citycode import mint
from protocols.quality import Quality

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CHANNEL = ChannelNow(
    name="lamp_power",
    title={"en": "Lamp power", "zh": "灯功率"},
    quantity="",
    unit="W",
    kind="gauge",
    scale=-1,
    writable=False,
    limits=None,
    states={},
    period_ms=1000,
    value=87.4,
    text="87.4",
    quality=int(Quality.GOOD),
    at=NOW,
)
DEVICE = DeviceSummary(
    "D1", "Pole 1 lamp", "lamp_controller", "G1", "bj.110114", "昌平区", "B1", None, None, None, None, "in-service", NOW
)
GATEWAY = GatewaySummary("G1", "East", "bj.110114", "昌平区", NOW, "in-service")
PRESENT = GatewayNow("G1", True, NOW, 1, "synchronised", 10, "0.1.0", 0, 1, NOW, ())
PROOF = IncarnationProof(1, NOW, [(0, 99)], [], [], 100, 100, 0, 0, 0)


def view(*channels: ChannelNow) -> DeviceView:
    return device_view(DEVICE, DeviceNow("D1", NOW, channels), NOW, "en")


@pytest.mark.parametrize(
    ("period_ms", "age_s", "expected"),
    [(1000, 4.9, Look.GOOD), (1000, 5.1, Look.STALE), (60_000, 181, Look.GOOD), (60_000, 183, Look.STALE)],
)
def test_a_value_older_than_three_periods_and_the_way_is_stale(period_ms: int, age_s: float, expected: Look) -> None:
    assert look(replace(CHANNEL, period_ms=period_ms), NOW + timedelta(seconds=age_s)) is expected


@given(st.sampled_from(list(Quality)), st.integers(min_value=6, max_value=10**6))
def test_no_quality_makes_an_old_value_pass_for_live(quality: Quality, age_s: int) -> None:
    assert look(replace(CHANNEL, quality=int(quality)), NOW + timedelta(seconds=age_s)) is Look.STALE


def test_what_never_came_is_stale_and_has_no_figure() -> None:
    shown = reading(replace(CHANNEL, value=None, text="", at=None), NOW, "en")
    assert (shown.look, shown.text, shown.unit) == (Look.STALE, "–", "")


def test_a_state_is_its_word_in_the_readers_language() -> None:
    door = replace(CHANNEL, kind="state", value=1.0, text="1", states={1: {"en": "open", "zh": "开"}})
    assert reading(door, NOW, "zh").text == "开"
    assert reading(replace(door, value=7.0, text="7"), NOW, "en").text == "7"


def test_a_figure_is_the_exact_decimal_and_not_a_rounded_float() -> None:
    energy = replace(CHANNEL, kind="counter", value=556677.01, text="556677.01", unit="kWh")
    assert reading(energy, NOW, "en").text == "556\u2009677.01"


def test_a_device_is_unreachable_only_when_everything_recent_failed_to_be_read() -> None:
    silent = replace(CHANNEL, quality=int(Quality.BAD_TIMEOUT))
    broken = replace(CHANNEL, quality=int(Quality.BAD_SENSOR_FAILURE))
    assert view(silent, silent).look is Look.BAD
    assert view(silent, CHANNEL).look is Look.UNCERTAIN
    assert view(broken, broken).look is Look.UNCERTAIN
    assert view(CHANNEL, CHANNEL).look is Look.GOOD
    absent = replace(CHANNEL, value=None, quality=int(Quality.BAD_NO_DATA))
    # An empty parking space is no fault.
    assert (view(absent, CHANNEL).look, view(absent, CHANNEL).bad) == (Look.GOOD, 0)
    assert device_look(()) is Look.STALE


def test_the_headline_leaves_out_settings_and_statistics() -> None:
    names = ["lamp_power", "lamp_power.min", "dim_setpoint", "voltage", "lamp_on"]
    channels = [replace(CHANNEL, name=name) for name in names]
    channels[2] = replace(channels[2], writable=True)
    channels[4] = replace(channels[4], kind="state")
    shown = headline([reading(channel, NOW, "en") for channel in channels])
    assert [item.channel.name for item in shown] == ["lamp_power", "voltage", "lamp_on"]


def test_devices_without_a_mount_come_last() -> None:
    views = [device_view(replace(DEVICE, mount=mount), None, NOW, "en") for mount in ("B2", None, "B1", "B2")]
    groups = group(views, GROUPINGS["mount"])
    assert [(item.key, len(item.views)) for item in groups] == [("B1", 1), ("B2", 2), ("", 1)]


def test_poles_and_compartments_stand_by_class_and_number_whatever_their_district() -> None:
    mounts = [
        mint("B", body).text
        for body in ("1101140107000004", "1101150117000003", "1101140117000012", "1101142101000001")
    ]
    views = [device_view(replace(DEVICE, mount=mount), None, NOW, "en") for mount in [None, "roof", *mounts[::-1]]]
    assert [item.key for item in group(views, GROUPINGS["mount"])] == [*mounts, "roof", ""]


def test_devices_behind_a_gateway_that_is_away_are_not_named_one_by_one() -> None:
    stale = [device_view(replace(DEVICE, code=f"D{i}"), None, NOW, "en") for i in range(30)]
    away = replace(PRESENT, online=False, last_seen=NOW - timedelta(minutes=5))
    items, total = attention([(GATEWAY, away)], stale)
    assert (total, [item.kind for item in items]) == (1, ["gateway_away"])
    items, total = attention([(GATEWAY, PRESENT)], stale)
    assert (total, len(items)) == (30, 12)


def test_the_worst_comes_first() -> None:
    partly = view(replace(CHANNEL, quality=int(Quality.BAD_OUT_OF_RANGE)), CHANNEL)
    lost = view(replace(CHANNEL, quality=int(Quality.BAD_TIMEOUT)))
    items, _ = attention([(GATEWAY, PRESENT)], [partly, lost])
    assert [item.kind for item in items] == ["device_unreachable", "channels_bad"]
    assert items[1].what == "lamp_power"


def test_a_device_with_many_bad_channels_names_three_and_counts_the_rest() -> None:
    bad = [replace(CHANNEL, name=f"c{n}", quality=int(Quality.BAD_TIMEOUT)) for n in range(10)]
    items, _ = attention([(GATEWAY, PRESENT)], [view(*bad, CHANNEL)])
    assert items[0].what == "c0, c1, c2 +7"


def test_one_lost_batch_among_a_million_is_still_drawn_and_drawn_last() -> None:
    proof = replace(
        PROOF, received=[(0, 499_999), (500_001, 999_999)], missing=[(500_000, 500_000)], next_seq=1_000_000
    )
    spans = proof_spans(proof)
    assert spans[-1].kind == "missing"
    assert spans[-1].width >= WIDTH / 500
    assert [(span.first, span.last) for span in spans[:2]] == [(0, 499_999), (500_001, 999_999)]


@given(st.integers(0, 10**9), st.integers(0, 50))
def test_a_bar_never_runs_over_its_end(top: int, on_the_way: int) -> None:
    proof = replace(PROOF, received=[(0, top)], dropped=[(top, top, "spool-full")], next_seq=top + 1 + on_the_way)
    for span in proof_spans(proof):
        assert span.start >= 0
        assert span.start + span.width <= WIDTH + 1e-6


def test_what_is_on_its_way_is_not_drawn_as_received() -> None:
    kinds = {span.kind: (span.first, span.last) for span in proof_spans(replace(PROOF, next_seq=105))}
    assert kinds == {"received": (0, 99), "flight": (100, 104)}


def test_a_bar_begins_with_the_first_number_of_its_spool() -> None:
    spans = proof_spans(replace(PROOF, received=[(1, 32)], next_seq=33))
    assert [(span.kind, span.start, span.width) for span in spans] == [("received", 0, WIDTH)]


def test_a_float_shows_figures_that_mean_something() -> None:
    assert reading(replace(CHANNEL, scale=0, value=0.50914437, text="0.50914437"), NOW, "en").text == "0.50914"
