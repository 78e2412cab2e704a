import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.cjt188.frame import Frame
from protocols.cjt188.messages import (
    ADDRESS,
    METERING,
    Control,
    Data,
    Read,
    Refusal,
    parse_reply,
    parse_request,
    reply_frame,
)
from protocols.errors import LocalProtocolError, RemoteProtocolError

METER = "78330011223344"


@pytest.mark.parametrize(("low_first", "data"), [(True, "1F9007"), (False, "901F07")])
def test_a_request_has_its_identifier_in_either_order(low_first: bool, data: str) -> None:
    asked = Read(METERING, 7, low_first)
    assert asked.frame(0x10, METER) == Frame(0x10, METER, 0x01, bytes.fromhex(data))
    assert parse_request(asked.frame(0x10, METER)) == asked


@given(st.booleans(), st.booleans(), st.integers(0, 255), st.binary(max_size=90))
def test_an_answer_may_have_either_order(asked_low: bool, came_low: bool, serial: int, data: bytes) -> None:
    came = Read(METERING, serial, came_low).frame(0x10, METER)
    reply = Data(METERING, serial, data)
    assert parse_reply(reply_frame(came, reply), Read(METERING, serial, asked_low)) == reply


@given(st.integers(0, 255), st.integers(0, 255))
def test_an_answer_with_another_number_is_never_taken(asked: int, came: int) -> None:
    for reply in (Data(METERING, came, b"\x01"), Refusal(came, bytes(2))):
        frame = reply_frame(Read(METERING, came).frame(0x10, METER), reply)
        if asked == came:
            assert parse_reply(frame, Read(METERING, asked)) == reply
        else:
            with pytest.raises(RemoteProtocolError, match="was asked"):
                parse_reply(frame, Read(METERING, asked))


def test_a_refusal_has_its_own_control_code_and_a_status() -> None:
    frame = reply_frame(Read(METERING, 9).frame(0x10, METER), Refusal(9, bytes.fromhex("0400")))
    assert frame == Frame(0x10, METER, 0xC1, bytes.fromhex("090400"))
    assert Refusal(9, bytes.fromhex("0400")).reason == "refused with status 04 00"


def test_the_address_is_read_by_its_own_control_code() -> None:
    asked = Read(ADDRESS, 1, low_first=False, control=Control.READ_ADDRESS)
    assert asked.frame(0xAA, "AA" * 7) == Frame(0xAA, "AA" * 7, 0x03, bytes.fromhex("810A01"))
    assert parse_request(asked.frame(0xAA, "AA" * 7)) == asked
    assert parse_reply(Frame(0x10, METER, 0x83, bytes.fromhex("810A01")), asked) == Data(ADDRESS, 1, b"")


@pytest.mark.parametrize(
    ("control", "data", "complaint"),
    [
        (0x81, "1F91 07", "data 901F was asked, 1F91 came"),
        (0x81, "1F90", "no identifier and number"),
        (0x01, "1F90 07", "control 01 was asked, 01 came"),  # our own echo
        (0xC1, "", "number 07 was asked, none came"),
        (0x83, "1F90 07", "control 01 was asked, 83 came"),
    ],
)
def test_what_is_no_answer_is_refused(control: int, data: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint):
        parse_reply(Frame(0x10, METER, control, bytes.fromhex(data)), Read(METERING, 7))


def test_a_meter_refuses_a_request_that_it_does_not_serve() -> None:
    for frame in (Frame(0x10, METER, 0x04, bytes(3)), Frame(0x10, METER, 0x01, bytes(2))):
        with pytest.raises(RemoteProtocolError, match="not served"):
            parse_request(frame)


def test_a_number_out_of_range_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError):
        Read(METERING, 256)
