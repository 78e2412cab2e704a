from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bus import planner
from drivers.base import Nonsense, Reading, Span
from drivers.dlt645.model import identifier
from drivers.dlt645.template import load_model
from protocols.quality import Quality

SINGLE, THREE = load_model("dlt645_meter_1p"), load_model("dlt645_meter_3p")
VOLTAGES = Span("0201..00", 1, 3)


def named(readings: object, model: object = THREE) -> dict[str, Reading]:
    return {model.channels[each.channel].name: each for each in readings}  # type: ignore[attr-defined]


def test_a_block_is_asked_as_one_and_its_data_alone_where_it_was_split() -> None:
    requests = planner.plan(THREE.points, THREE.limits)
    asked = [f"{identifier(request.span):08X}" for request in requests]
    assert asked == ["0001FF00", "00020000", "00030000", "00040000", "0201FF00", "0202FF00", "0203FF00", "02040000",
                     "0206FF00", "02800002"]  # fmt: skip
    todo, single = list(requests), []
    while todo:
        request = todo.pop(0)
        smaller = planner.split(request)
        todo[:0] = smaller
        if not smaller:
            single.append(f"{identifier(request.span):08X}")
    assert len(single) == len(set(single)) == len(THREE.channels)
    assert {"00010000", "00010400", "02010100", "02010300", "02030000"} <= set(single)


@given(st.integers(0, 99_999_999))
def test_a_counter_is_exact_from_frame_to_reading(count: int) -> None:
    raw = bytes.fromhex(f"{count:08d}")[::-1]
    (reading,) = SINGLE.decode(Span("00010000", 0, 1), raw)
    channel = SINGLE.channels[reading.channel]
    assert (reading.value, reading.quality) == (count, Quality.GOOD)
    assert Decimal(count).scaleb(channel.scale) == Decimal(count) / 100
    assert channel.rollover == 100_000_000


def test_the_last_count_and_the_first_one_after_it() -> None:
    span = Span("00010000", 0, 1)
    assert [next(iter(SINGLE.decode(span, bytes.fromhex(raw)))).value for raw in ("99999999", "00000000")] == [
        99_999_999,
        0,
    ]


def test_a_block_is_taken_apart() -> None:
    shown = named(THREE.decode(VOLTAGES, bytes.fromhex("4822 FFFF 1723")))
    assert shown == {
        "voltage_a": Reading(8, 2248, Quality.GOOD),
        "voltage_b": Reading(9, None, Quality.BAD_NO_DATA),
        "voltage_c": Reading(10, 2317, Quality.GOOD),
    }
    shown = named(THREE.decode(Span("0203..00", 0, 4), bytes.fromhex("001280 000100 000200 008380")))
    assert {name: each.value for name, each in shown.items()} == {
        "power": -1200,
        "power_a": 100,
        "power_b": 200,
        "power_c": -8300,
    }


def test_what_a_smaller_meter_does_not_send_has_no_value() -> None:
    shown = named(THREE.decode(VOLTAGES, bytes.fromhex("4822")))
    assert shown["voltage_a"].value == 2248
    assert {shown[name].quality for name in ("voltage_b", "voltage_c")} == {Quality.BAD_CONFIGURATION_ERROR}


def test_what_a_larger_meter_sends_besides_is_left() -> None:
    shown = named(THREE.decode(Span("0001..00", 0, 5), b"".join(bytes((n, 0, 0, 0)) for n in range(64) if n % 16 < 10)))
    assert [each.value for each in shown.values()] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("span", "raw", "complaint"),
    [
        (VOLTAGES, "482217", "data 0201FF00 of 3 bytes: each has 2"),
        (VOLTAGES, "4A22 4822 4822", "data 0201FF00, voltage_a: 4a 22 is no decimal number"),
        (Span("0201..00", 2, 1), "48", "data 02010200, voltage_b: 2 bytes were expected, 48 came"),
        (Span("0201..00", 2, 1), "48221723", "data 02010200, voltage_b: 2 bytes were expected"),
    ],
)
def test_what_is_no_value_is_nonsense(span: Span, raw: str, complaint: str) -> None:
    with pytest.raises(Nonsense, match=complaint):
        THREE.decode(span, bytes.fromhex(raw))
