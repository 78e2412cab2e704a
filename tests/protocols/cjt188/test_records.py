# ruff: noqa: DTZ001 - a meter says no zone
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.cjt188.frame import Frame, FrameDecoder
from protocols.cjt188.messages import METERING, Data, Read, parse_reply
from protocols.cjt188.records import (
    HEAT,
    WATER,
    Field,
    Record,
    Status,
    Value,
    Valve,
    decode_clock,
    decode_record,
    encode_clock,
    encode_record,
)
from protocols.cjt188.units import UNITS
from protocols.errors import LocalProtocolError, RemoteProtocolError


def metering(text: str, serial: int) -> bytes:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex(text))
    frame = decoder.next_frame()
    assert isinstance(frame, Frame)
    reply = parse_reply(frame, Read(METERING, serial))
    assert isinstance(reply, Data)
    return reply.data


@pytest.mark.vectors("CJ/T 188", "frames printed by makers and on the web, sums recomputed")
@pytest.mark.parametrize(
    ("text", "serial", "record"),
    [
        (
            "68104433221100337881161F9000007766552C007766552C3101221105152021841316",
            0x00,
            Record(
                {"total": Value(55667700, 0x2C), "settlement": Value(55667700, 0x2C)},
                datetime(2015, 5, 11, 22, 1, 31),
                Status(bytes.fromhex("2184")),
            ),
        ),
        (
            "6810010203040506078116901F96005555052C005555052C0000000000000000002616",
            0x96,
            Record({"total": Value(5555500, 0x2C), "settlement": Value(5555500, 0x2C)}, None, Status(bytes(2))),
        ),
        (
            "6810454110051533788116901FAA005959002CFFFFFFFF2CFFFFFFFFFFFFFF0000C216",
            0xAA,
            Record({"total": Value(595900, 0x2C), "settlement": Value(None, 0x2C)}, None, Status(bytes(2))),
        ),
    ],
)
def test_published_answers_of_water_meters(text: str, serial: int, record: Record) -> None:
    assert decode_record(WATER, metering(text, serial)) == record


@pytest.mark.vectors("CJ/T 188", "frames printed by makers and on the web, sums recomputed")
def test_a_published_heat_meter_with_its_units_in_front_is_read_with_a_layout_of_its_own() -> None:
    # JY, as several pages print it: heat 0.02 MWh, 10.34 m3, 25.35 and 25.66 degrees.
    text = (
        "682032413140000000812E901F01 0802000000 0802000000 1700000000 3500000000 2C34100000"
        "352500 662500 000000 53001210071520 0000 3116"
    )
    data = metering(text, 1)
    shifted = tuple(field._replace(at=field.at + field.has_unit, has_unit=False) for field in HEAT)
    numbers = {field.name: field.format.decode(data[field.at : field.at + field.format.length]) for field in shifted}
    assert numbers == {
        "settlement": 2, "heat": 2, "power": 0, "flow": 0, "volume": 1034, "supply": 2535, "return": 2566, "hours": 0
    }  # fmt: skip
    assert [data[field.at - 1] for field in shifted[:5]] == [0x08, 0x08, 0x17, 0x35, 0x2C]
    assert decode_clock(data[34:41]) == datetime(2015, 7, 10, 12, 0, 53)


clocks = st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
    lambda time: time.replace(microsecond=0)
)


@given(st.sampled_from([WATER, HEAT]), st.data(), clocks, st.binary(min_size=2, max_size=2))
def test_every_record_comes_back_as_it_went(
    layout: tuple[Field, ...], data: st.DataObject, clock: datetime | None, status: bytes
) -> None:
    values = {
        field.name: Value(
            data.draw(st.none() | st.integers(0, field.format.highest)),
            data.draw(st.sampled_from(sorted(UNITS))) if field.has_unit else 0xFF,
        )
        for field in layout
    }
    record = Record(values, clock, Status(status))
    sent = encode_record(layout, record)
    assert len(sent) == (19 if layout is WATER else 43)
    assert decode_record(layout, sent) == record


def test_the_last_value_before_roll_over_is_exact() -> None:
    values = {"total": Value(99_999_999, 0x2C), "settlement": Value(0, 0x2C)}
    sent = encode_record(WATER, Record(values, None, Status(bytes(2))))
    assert sent[:5] == bytes.fromhex("999999992C")
    assert decode_record(WATER, sent).values["total"].number == 99_999_999


@pytest.mark.parametrize(
    ("raw", "valve", "low"),
    [
        ("0000", Valve.OPEN, False),
        ("0100", Valve.CLOSED, False),
        ("0700", Valve.FAULT, True),
        ("2184", Valve.CLOSED, False),
    ],
)
def test_a_status_tells_valve_and_battery(raw: str, valve: Valve, low: bool) -> None:
    status = Status(bytes.fromhex(raw))
    assert (status.valve, status.battery_low) == (valve, low)


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="a record of 18 bytes; 19 were expected"):
        decode_record(WATER, bytes(18))
    for clock in ("61000000010120", "0000000132012026"):
        with pytest.raises(RemoteProtocolError):
            decode_clock(bytes.fromhex(clock))
    with pytest.raises(LocalProtocolError):
        encode_record((), Record({}, None, Status(b"")))


def test_no_clock_is_all_zero() -> None:
    assert encode_clock(None) == bytes(7)
