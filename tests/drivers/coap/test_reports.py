from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Report
from drivers.coap.model import SenmlModel, parse_model
from drivers.coap.reports import (
    CLOCK_SET_MS,
    DRAINED_MS,
    MAX_AHEAD_MS,
    MAX_MOMENTS,
    ClockUnset,
    NotItsOwn,
    ReportReader,
    TooFast,
    UnknownSender,
    Unusable,
)
from protocols.quality import Quality
from protocols.senml.json_form import decode_json
from protocols.senml.record import Record
from protocols.senml.resolve import resolve
from tests.drivers.coap.conftest import METER, POWER
from tests.protocols.senml.rfc8428 import COLLECTION, NOW, SECONDS

RFC_NOW_MS = 1_276_020_080_001  # 4 s after the base time of SECONDS
TODAY_MS = 1_790_000_000_000


def reader_of(model: SenmlModel, *units: str) -> ReportReader:
    return ReportReader(dict.fromkeys(units or (METER,), model))


def read(
    reader: ReportReader,
    records: list[Record],
    now_ms: int = TODAY_MS,
    reception: bytes = b"",
    sender: str | None = None,
    at: str | None = None,
) -> list[Report]:
    return reader.read(reader.units(resolve(records), sender, at), now_ms, reception)


def values(report: Report) -> list[tuple[int, dict[int, object]]]:
    return [(age, {r.channel: r.value for r in readings}) for age, readings in report.moments]


def test_the_rfcs_pack_of_now_has_no_age(power: SenmlModel) -> None:
    (report,) = read(reader_of(power), decode_json(NOW.sent.encode()))
    assert report.unit == METER
    assert values(report) == [(0, {0: 1201, 1: 12})]


def test_the_rfcs_pack_over_five_seconds_has_the_age_of_each_record(
    power: SenmlModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.coap.reports.CLOCK_SET_MS", 0)
    unit = "urn:dev:ow:10e2073a0108006"
    (report,) = read(reader_of(power, unit), decode_json(SECONDS.sent.encode()), RFC_NOW_MS)
    assert values(report) == [
        (9000, {1: 12}),
        (8000, {1: 13}),
        (7000, {1: 14}),
        (6000, {1: 15}),
        (5000, {1: 16}),
        (4000, {0: 1201, 1: 17}),
    ]


def test_a_pack_of_two_devices_is_two_reports(power: SenmlModel) -> None:
    text = COLLECTION.sent.replace("temperature", "voltage").replace("humidity", "current").replace('"%RH"', '"A"')
    records = decode_json(text.replace('"Cel"', '"V"').replace("1.320078429e+09", "0").encode())
    reports = read(reader_of(power, "2001:db8::2", "2001:db8::1"), records)
    assert [(report.unit, values(report)) for report in reports] == [
        ("2001:db8::2", [(0, {0: 252, 1: 300})]),
        ("2001:db8::1", [(0, {0: 123, 1: 670})]),
    ]


def test_a_name_belongs_to_the_longest_unit_that_it_continues(power: SenmlModel) -> None:
    reader = reader_of(power, "pole", "pole:1")
    assert [report.unit for report in read(reader, [Record(name="pole:1:voltage", value=1)])] == ["pole:1"]
    assert [report.unit for report in read(reader, [Record(name="pole:voltage", value=1)])] == ["pole"]
    with pytest.raises(UnknownSender):
        read(reader, [Record(name="pole2voltage", value=1)])


def test_sums_states_words_and_truths_are_read_exactly(power: SenmlModel) -> None:
    base = METER + ":"
    (report,) = read(
        reader_of(power),
        [
            Record(base_name=base, name="power", value=5, sum=2**53 + 1, unit="W"),
            Record(name="door", value="ajar"),
            Record(name="door", value=True, time=-1),
            Record(name="door", value="mystery", time=-2),
        ],
    )
    assert [(age, list(readings)) for age, readings in report.moments] == [
        (2000, [(3, None, Quality.BAD_CONFIGURATION_ERROR)]),
        (1000, [(3, 1, Quality.GOOD)]),
        (0, [(2, 2**53 + 1, Quality.GOOD), (3, 2, Quality.GOOD)]),
    ]


def test_on_a_devices_own_resource_names_may_be_short(power: SenmlModel) -> None:
    (report,) = read(reader_of(power), [Record(name="voltage", value=230)], at=METER)
    assert (report.unit, values(report)) == (METER, [(0, {0: 2300})])


def test_a_record_that_is_sent_again_in_a_later_pack_is_taken_once(power: SenmlModel) -> None:
    reader = reader_of(power)

    def pack(*seconds: int) -> list[Record]:
        return [Record(name=METER + ":voltage", value=at % 100, time=TODAY_MS // 1000 + at) for at in seconds]

    (first,) = read(reader, pack(-3, -2))
    (second,) = read(reader, pack(-3, -2, -1))
    assert [len(first.moments), len(second.moments)] == [2, 1]
    assert second.moments[0][0] == 1000


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), max_size=20))
def test_whatever_is_lost_and_sent_again_each_record_is_taken_once(steps: list[tuple[int, int, bool]]) -> None:
    """A sensor measures once a second and sends all that it does not know to be taken, and some of what it does."""
    reader = reader_of(parse_model(POWER, "power.toml"))
    measured, known, taken = 0, 0, []
    for fresh, again, acknowledged in steps:
        measured += fresh
        first = max(known - again, 0)
        if first == measured:
            continue
        pack = [Record(name=METER + ":voltage", value=at, time=TODAY_MS // 1000 + at) for at in range(first, measured)]
        (report,) = read(reader, pack, TODAY_MS + 200_000)
        taken += [value for _, readings in report.moments for _, value, _ in readings]
        if acknowledged:
            known = measured
    assert taken == [10 * at for at in range(len(taken))]
    assert len(taken) >= known


def test_the_same_pack_is_one_report_however_often_it_comes(power: SenmlModel) -> None:
    reader = reader_of(power)
    pack = [Record(name=METER + ":voltage", value=1, time=TODAY_MS // 1000)]
    identities = {read(reader, pack, TODAY_MS + later, b"%d" % later)[0].identity for later in (0, 1000, 2000)}
    assert len(identities) == 1


def test_an_equal_measurement_of_now_is_another_one_unless_its_message_is_the_same(power: SenmlModel) -> None:
    reader = reader_of(power)
    pack = [Record(name=METER + ":voltage", value=1)]
    identities = [read(reader, pack, TODAY_MS, reception)[0].identity for reception in (b"1", b"2", b"2")]
    assert identities[0] != identities[1] == identities[2]


@pytest.mark.parametrize(
    ("record", "error", "cause"),
    [
        (Record(name="elsewhere:voltage", value=1), UnknownSender, "no device of that name"),
        (Record(name=METER + ":volts", value=1), Unusable, "its records are current, door, power, voltage"),
        (Record(name=METER + ":voltage", value=1, unit="mV"), Unusable, "the unit is 'mV', not 'V'"),
        (Record(name=METER + ":voltage", value=b"x"), Unusable, "data cannot be voltage"),
        (Record(name=METER + ":voltage", value=1, time=MAX_AHEAD_MS // 1000 + 2), Unusable, "in the future"),
        (Record(name=METER + ":voltage", value=1, time=TODAY_MS // 1000 + 400), Unusable, "400 s in the future"),
        (Record(name=METER + ":voltage", value=1, time=-(2**40)), Unusable, "before 1970"),
    ],
)
def test_what_cannot_be_taken_says_why(power: SenmlModel, record: Record, error: type[Unusable], cause: str) -> None:
    with pytest.raises(error, match=cause):
        read(reader_of(power), [record])


def test_nobody_speaks_for_another(power: SenmlModel) -> None:
    with pytest.raises(NotItsOwn, match="you are known as other"):
        read(reader_of(power, METER, "other"), [Record(name=METER + ":voltage", value=1)], sender="other")


def test_a_clock_that_is_not_set_cannot_place_an_absolute_time(power: SenmlModel) -> None:
    reader = reader_of(power)
    with pytest.raises(ClockUnset, match="send times relative to now"):
        read(reader, [Record(name=METER + ":voltage", value=1, time=TODAY_MS // 1000)], CLOCK_SET_MS - 1)
    assert read(reader, [Record(name=METER + ":voltage", value=1, time=-5)], CLOCK_SET_MS - 1)[0].moments[0][0] == 5000


def test_a_pack_that_is_refused_leaves_nothing_behind(power: SenmlModel) -> None:
    reader = reader_of(power, METER, "other")
    good = Record(name=METER + ":voltage", value=1, time=TODAY_MS // 1000)
    with pytest.raises(Unusable):
        read(reader, [good, Record(name="other:volts", value=1)])
    assert len(read(reader, [good])[0].moments) == 1


def test_the_times_of_a_pack_have_a_bound(power: SenmlModel) -> None:
    with pytest.raises(Unusable, match="1001 times"):
        read(
            reader_of(power),
            [Record(name=METER + ":voltage", value=1, time=-Decimal(at)) for at in range(MAX_MOMENTS + 1)],
        )


def test_a_backlog_comes_no_faster_than_it_can_be_passed_on(power: SenmlModel) -> None:
    reader = reader_of(power)

    def pack(newest_s: int, count: int = 600) -> list[Record]:
        return [Record(name=METER + ":voltage", value=1, time=TODAY_MS // 1000 + newest_s - at) for at in range(count)]

    assert len(read(reader, pack(-2000))[0].moments) == 600
    with pytest.raises(TooFast, match="send this again later"):
        read(reader, pack(-1000))
    assert len(read(reader, pack(-1000), TODAY_MS + DRAINED_MS)[0].moments) == 600  # nothing of it was lost
    assert len(read(reader, pack(0), TODAY_MS - 60_000)[0].moments) == 600  # our clock was set back
