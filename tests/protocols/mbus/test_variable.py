import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.mbus.codes import Function
from protocols.mbus.values import Missing, Moment, Value
from protocols.mbus.variable import (
    DECIMALS,
    INTEGERS,
    Form,
    Record,
    encode_record,
    encode_records,
    parse_records,
)
from protocols.mbus.vif import FIRST, PRIMARY, SECOND, Data, ValueInfo, value_block

NUMERIC = [info for info in (*PRIMARY.values(), *SECOND.values(), *FIRST.values()) if info.data is Data.SIGNED]


def only(raw: str, high_first: bool = False) -> Record:
    (record,) = parse_records(bytes.fromhex(raw), high_first).records
    return record


@st.composite
def records(draw: st.DrawFn) -> tuple[Record, Form]:
    info: ValueInfo = draw(st.sampled_from(NUMERIC))
    form = draw(st.sampled_from([*INTEGERS, *DECIMALS, Form.REAL32]))
    value: Value
    if form is Form.REAL32:
        value = draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
    elif form in DECIMALS:
        value = draw(st.integers(-(10 ** (2 * DECIMALS[form] - 1)) + 1, 10 ** (2 * DECIMALS[form]) - 1))
    else:
        most = 2 ** (8 * INTEGERS[form] - 1) - 1
        value = draw(st.integers(-most, most))
    whose = (
        draw(st.sampled_from(Function)),
        draw(st.integers(0, 2**41 - 1)),
        draw(st.integers(0, 2**20 - 1)),
        draw(st.integers(0, 2**10 - 1)),
    )
    return Record(info.quantity, info.unit, value, info.exponent, *whose), form


def encoded(record: Record, form: Form) -> bytes:
    return encode_record(record, value_block(record.quantity, record.unit, record.exponent), form)


@given(st.lists(records(), max_size=6), st.none() | st.binary(max_size=9), st.booleans())
def test_records_survive_the_wire(sent: list[tuple[Record, Form]], maker: bytes | None, more: bool) -> None:
    found = parse_records(encode_records([encoded(*each) for each in sent], maker, more))
    assert list(found.records) == [record for record, _ in sent]
    assert found.more == more
    assert found.maker == ((maker or b"") if more else maker)


def test_the_usergroups_example() -> None:
    assert parse_records(bytes.fromhex("0313153100da023b13018b60043718 02")).records == (
        Record("volume", "m3", 12565, -3),
        Record("volume_flow", "m3/h", 113, -3, Function.MAXIMUM, storage=5),
        Record("energy", "Wh", 21837, 1, tariff=2, subunit=1),
    )


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("0c1378563412", 12345678),
        ("0c13785634f2", -2345678),
        ("07138877665544332211", 0x1122334455667788),
        ("0613ffffffffffff", -1),
        ("05130000c03f", 1.5),
        ("0d7803434241", "ABC"),
        ("0d13c25634", 3456),
        ("0d13d25634", -3456),
        ("0d13e2feff", -2),
        ("01fd17ff", 255),
        ("046d22108d11", Moment(2012, 1, 13, 16, 34)),
        ("026c5f1c", Moment(2010, 12, 31)),
    ],
)
def test_values_of_all_forms(raw: str, value: Value) -> None:
    assert only(raw).value == value


@pytest.mark.parametrize(
    "raw", ["0c13ffffffff", "041300000080", "05130000c07f", "0013", "0813", "02931534 12", "0d13e0"]
)
def test_a_record_without_a_value_says_why(raw: str) -> None:
    value = only(raw).value
    assert isinstance(value, Missing)
    assert value.reason


def test_a_value_of_sixteen_bytes_is_carried_as_bytes() -> None:
    raw = "0d7c025750f096075b2a27a693013db51ab3dcd13e17"
    assert only(raw) == Record("text", "PW", bytes.fromhex("96075b2a27a693013db51ab3dcd13e17"))


def test_mode_two_sends_the_highest_byte_first() -> None:
    assert only("0c1312345678", high_first=True).value == 12345678
    assert only("02fd4900e6", high_first=True).value == 230


def test_filler_is_skipped_and_the_makers_part_ends_the_records() -> None:
    found = parse_records(bytes.fromhex("2f2f0113052f0f0113ff"))
    assert [record.value for record in found.records] == [5]
    assert found.maker == bytes.fromhex("0113ff")
    assert not found.more
    assert parse_records(b"\x1f") == ((), b"", True)


def test_high_storages_tariffs_and_subunits_are_put_together_from_their_dife() -> None:
    assert only("8480 4006 01000000")[5:8] == (0, 0, 2)
    assert only("848406 06 01000000".replace(" ", ""))[5:8] == (0x04 << 1 | 0x06 << 5, 0, 0)
    assert only("84b04006 01000000".replace(" ", ""))[5:8] == (0, 3, 2)


@pytest.mark.parametrize(
    "raw",
    [
        "04",
        "0413",
        "041300",
        "84",
        "8400",
        "0d13",
        "0d1305",
        "0d13f9",
        "0d13ca",
        "3f",
        "84808080808080808080808000130000",
        "0d7c",
    ],
)
def test_records_that_cannot_be_told_apart_are_refused_as_a_whole(raw: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_records(bytes.fromhex("011305") + bytes.fromhex(raw))


@given(st.binary(max_size=240), st.booleans())
def test_any_bytes_are_records_or_are_refused(raw: bytes, high_first: bool) -> None:
    try:
        found = parse_records(raw, high_first)
    except RemoteProtocolError:
        return
    for record in found.records:
        assert not isinstance(record.value, float) or math.isfinite(record.value)


@pytest.mark.parametrize("form", [*INTEGERS, *DECIMALS, Form.REAL32, Form.NOTHING])
def test_no_value_can_be_sent_in_every_form(form: Form) -> None:
    raw = encode_record(Record("volume", "m3", Missing("no sensor"), -3), b"\x13", form)
    (record,) = parse_records(raw).records
    assert isinstance(record.value, Missing)


@pytest.mark.parametrize(
    ("record", "form"),
    [
        (Record("volume", "m3", 256), Form.INT8),
        (Record("volume", "m3", 1.5), Form.INT32),
        (Record("volume", "m3", "a lot"), Form.BCD8),
        (Record("volume", "m3", 1, storage=-1), Form.INT8),
        (Record("volume", "m3", 1, storage=1 << 42), Form.INT8),
    ],
)
def test_what_does_not_fit_is_not_sent(record: Record, form: Form) -> None:
    with pytest.raises(LocalProtocolError):
        encode_record(record, b"\x13", form)


def test_dates_and_texts_are_sent_too() -> None:
    moment = Moment(2026, 11, 24, 8, 15)
    assert only(encode_record(Record("date_time", "", moment), b"\x6d", Form.INT32).hex()).value == moment
    assert only(encode_record(Record("date", "", moment), b"\x6c", Form.INT16).hex()).value == Moment(2026, 11, 24)
    assert only(encode_record(Record("customer", "", "Li"), b"\xfd\x11", Form.VARIABLE).hex()).value == "Li"
