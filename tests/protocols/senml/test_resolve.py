from decimal import Decimal

import pytest

from protocols.errors import RemoteProtocolError
from protocols.senml.json_form import decode_json
from protocols.senml.record import Record
from protocols.senml.resolve import RELATIVE_BELOW, Measurement, resolve
from tests.protocols.senml.rfc8428 import EXAMPLES, Example

NOW = 1_600_000_000


def absolute(measurement: Measurement) -> tuple[object, ...]:
    return measurement.name, measurement.unit, measurement.value, measurement.sum, measurement.at(NOW)


@pytest.mark.vectors("SenML", "RFC 8428, sections 2, 5.1 and 6")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.section)
def test_the_examples_of_the_rfc_resolve_as_printed(example: Example) -> None:
    sent, printed = (resolve(decode_json(text.encode())) for text in (example.sent, example.resolved))
    # As sets: the published form of 5.1.2 is not in time order.
    assert {absolute(m) for m in sent} == {absolute(m) for m in printed}
    assert len(sent) == len(printed)
    assert not any(m.relative for m in printed)


def test_a_base_holds_until_it_comes_again() -> None:
    found = resolve(
        [
            Record(base_name="a/", base_unit="V", base_value=100, base_time=2**30, name="x", value=1),
            Record(name="y", value=2, unit="A", time=5),
            Record(base_name="b/", name="x", value=3),
            Record(base_unit="W", base_value=0, base_time=0, name="y", value=4),
        ]
    )
    assert [(m.name, m.unit, m.value, m.time) for m in found] == [
        ("a/x", "V", 101, 2**30),
        ("a/y", "A", 102, 2**30 + 5),
        ("b/x", "V", 103, 2**30),
        ("b/y", "W", 4, 0),
    ]


def test_a_base_value_touches_numbers_alone() -> None:
    found = resolve(
        [Record(base_value=100, name="a", value=True), Record(name="b", value="text"), Record("c", None, 1)]
    )
    assert [m.value for m in found] == [True, "text", 101]


@pytest.mark.parametrize(
    ("base", "own", "total"), [(None, None, None), (10, None, 10), (None, 3, 3), (10, Decimal("0.5"), Decimal("10.5"))]
)
def test_a_sum_is_there_when_either_part_is(base: int | None, own: int | None, total: object) -> None:
    (found,) = resolve([Record(name="energy", value=1, sum=own, base_sum=base)])
    assert found.sum == total


def test_a_sum_may_come_without_a_value() -> None:
    (found,) = resolve([Record(name="energy", sum=5, base_value=7)])
    assert (found.value, found.sum) == (None, 5)


@pytest.mark.parametrize(
    ("time", "at"),
    [
        (0, NOW),
        (-5, NOW - 5),
        (Decimal("-0.5"), Decimal("1599999999.5")),
        (60, NOW + 60),
        (RELATIVE_BELOW - 1, NOW + RELATIVE_BELOW - 1),
        (RELATIVE_BELOW, RELATIVE_BELOW),
        (Decimal("1276020076.001"), Decimal("1276020076.001")),
    ],
)
def test_a_time_below_2_to_the_28_is_relative_to_now(time: int, at: object) -> None:
    (found,) = resolve([Record(name="a", value=1, time=time)])
    assert found.at(NOW) == at


def test_it_is_the_sum_of_both_times_that_is_relative() -> None:
    (found,) = resolve([Record(name="a", value=1, base_time=RELATIVE_BELOW, time=-1)])
    assert found.relative


@pytest.mark.parametrize("name", ["", "-a", ":a", "a b", "a\n", "ä", "a%20b", "温度", "a" * 1025])
def test_a_name_that_may_not_be_is_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="record 1: name"):
        resolve([Record(name=name, value=1)])


def test_only_the_whole_name_must_begin_with_a_letter_or_digit() -> None:
    (found,) = resolve([Record(base_name="urn:dev:mac:0024befffe804ff1", name=":a.b_c/d-e", value=1)])
    assert found.name == "urn:dev:mac:0024befffe804ff1:a.b_c/d-e"


def test_a_record_that_measures_must_say_what() -> None:
    with pytest.raises(RemoteProtocolError, match="record 2: 'a' has neither a value nor a sum"):
        resolve([Record(base_name="a"), Record(time=5)])


def test_a_later_version_is_not_guessed_at() -> None:
    with pytest.raises(RemoteProtocolError, match="version 26"):
        resolve([Record(name="a", value=1, base_version=26)])
