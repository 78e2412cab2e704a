import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.bcd import Format
from protocols.dlt645.frame import WILDCARD, Frame, FrameDecoder, encode_frame
from protocols.dlt645.messages import (
    Address,
    Data,
    Done,
    Failure,
    ReadAddress,
    ReadData,
    ReadNext,
    Refusal,
    Reply,
    Request,
    Switch,
    SwitchCommand,
    WriteData,
    parse_reply,
    parse_request,
    reply_frame,
)
from protocols.errors import LocalProtocolError, RemoteProtocolError

METER = "558890213594"
PASSWORD, OPERATOR = bytes.fromhex("02123456"), bytes.fromhex("78563412")
dis = st.integers(0, 0xFFFFFFFF)


def decoded(text: str) -> Frame:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex(text))
    frame = decoder.next_frame()
    assert isinstance(frame, Frame)
    return frame


@pytest.mark.vectors("DL/T 645-2007", "frames printed by makers and on the web, sums recomputed")
@pytest.mark.parametrize(
    ("text", "di", "form", "number"),
    [
        ("6894352190885568910833333433593533338116", 0x00010000, Format.parse("XXXXXX.XX"), 226),
        ("68943521908855689106333434357B555E16", 0x02010100, Format.parse("XXX.X"), 2248),
        ("68943521908855689107333435356B35336316", 0x02020100, Format.parse("XXX.XXX", signed=True), 238),
        ("6861010000000068910833333633593334338D16", 0x00030000, Format.parse("XXXXXX.XX"), 10026),
    ],
)
def test_published_answers_give_their_published_values(text: str, di: int, form: Format, number: int) -> None:
    reply = parse_reply(decoded(text), ReadData(di))
    assert isinstance(reply, Data)
    assert (form.decode(reply.data), reply.more) == (number, False)


@pytest.mark.vectors("DL/T 645-2007", "frames printed by makers and on the web, sums recomputed")
def test_the_published_search_for_a_meter_gives_its_address() -> None:
    assert encode_frame(ReadAddress().frame(WILDCARD), wake=0).hex().upper() == "68AAAAAAAAAAAA681300DF16"
    reply = parse_reply(decoded("68943521908855689306C76854C3BB884916"), ReadAddress())
    assert reply == Address(METER)


def test_a_request_has_the_low_byte_of_its_identifier_first() -> None:
    sent = encode_frame(ReadData(0x02030000).frame("000000000161"), wake=0)
    assert sent == bytes.fromhex("68610100000000681104333336351816")


@pytest.mark.vectors("DL/T 645-2007", "frames printed by makers and on the web, sums recomputed")
def test_a_refusal_says_why() -> None:
    reply = parse_reply(decoded("6861010000000068D101353916"), ReadData(0x02030000))
    assert reply == Refusal(Failure.NO_SUCH_DATA)
    assert isinstance(reply, Refusal)
    assert reply.reason == "error 02 (no such data)"
    assert Refusal(0x85).reason == "error 85 (other error, wrong password or not authorised)"
    assert Refusal(0x80).reason == "error 80 (unknown)"


@given(dis, st.binary(max_size=190), st.booleans())
def test_data_come_back_as_they_went(di: int, data: bytes, more: bool) -> None:
    asked = ReadData(di)
    reply = Data(di, data, more)
    assert parse_reply(reply_frame(asked.frame(METER), reply), asked) == reply
    assert parse_request(asked.frame(METER)) == asked


@given(dis, st.binary(max_size=190), st.booleans(), st.integers(1, 255))
def test_what_follows_comes_with_its_number(di: int, data: bytes, more: bool, sequence: int) -> None:
    asked = ReadNext(di, sequence)
    reply = Data(di, data, more)
    frame = reply_frame(asked.frame(METER), reply, sequence)
    assert parse_reply(frame, asked) == reply
    assert parse_request(asked.frame(METER)) == asked
    with pytest.raises(RemoteProtocolError, match="was asked"):
        parse_reply(frame, ReadNext(di, sequence % 255 + 1))


def test_an_answer_with_more_behind_it_has_its_own_control_code() -> None:
    assert reply_frame(ReadData(0x0).frame(METER), Data(0, b"", more=True)).control == 0xB1
    assert reply_frame(ReadNext(0x0, 1).frame(METER), Data(0, b"", more=True), 1).control == 0xB2


@given(dis, dis, st.binary(max_size=20))
def test_an_answer_about_other_data_is_never_taken(asked: int, came: int, data: bytes) -> None:
    frame = reply_frame(ReadData(came).frame(METER), Data(came, data))
    if asked == came:
        assert parse_reply(frame, ReadData(asked)) == Data(came, data)
    else:
        with pytest.raises(RemoteProtocolError, match="was asked"):
            parse_reply(frame, ReadData(asked))


@pytest.mark.parametrize(
    ("frame", "request_", "complaint"),
    [
        (Frame(METER, 0x91, b"\x00\x00"), ReadData(0), "no identifier came"),
        (Frame(METER, 0x92, bytes(4)), ReadNext(0, 1), "frame 1 was asked, none came"),
        (Frame(METER, 0xD1), ReadData(0), "holds one byte, not nothing"),
        (Frame(METER, 0xD2, b"\x01"), ReadData(0), "control 11 was asked, D2 came"),
        (Frame(METER, 0x11, bytes(4)), ReadData(0), "control 11 was asked, 11 came"),  # our own echo
        (Frame(METER, 0x93, bytes(5)), ReadAddress(), "is not the address of a meter"),
        (Frame(METER, 0x93, b"\xbb" * 6), ReadAddress(), "is not the address of a meter"),
        (Frame(METER, 0x94, b"\x01"), WriteData(0, PASSWORD, OPERATOR, b"\x01"), "nothing is to be answered"),
    ],
)
def test_what_is_no_answer_is_refused(frame: Frame, request_: Request, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint):
        parse_reply(frame, request_)


def test_a_write_carries_password_operator_and_data() -> None:
    asked = WriteData(0x04000204, PASSWORD, OPERATOR, b"\x10")
    assert asked.frame(METER) == Frame(METER, 0x14, bytes.fromhex("04020004 02123456 78563412 10"))
    replies: list[Reply] = [Done(), Refusal(Failure.PASSWORD)]
    for reply in replies:
        assert parse_reply(reply_frame(asked.frame(METER), reply), asked) == reply


def test_a_switch_carries_its_command_and_when_it_ends() -> None:
    asked = Switch(PASSWORD, OPERATOR, SwitchCommand.TRIP, (26, 11, 24, 8, 30, 59))
    assert asked.frame(METER) == Frame(METER, 0x1C, PASSWORD + OPERATOR + bytes.fromhex("1A00 593008241126"))
    assert parse_reply(Frame(METER, 0x9C), asked) == Done()


def test_no_password_is_ever_shown() -> None:
    shown = repr([
        WriteData(4, PASSWORD, OPERATOR, b"\x10"),
        Switch(PASSWORD, OPERATOR, SwitchCommand.CLOSE, (26, 1, 1, 0, 0, 0)),
    ])  # fmt: skip
    assert "3456" not in shown
    assert "x12" not in shown


@pytest.mark.parametrize("frame", [Frame(METER, 0x11, bytes(3)), Frame(METER, 0x12, bytes(5)), Frame(METER, 0x14)])
def test_a_meter_refuses_a_request_that_it_does_not_serve(frame: Frame) -> None:
    with pytest.raises(RemoteProtocolError, match="not served"):
        parse_request(frame)


def test_what_cannot_be_asked_is_not_sent() -> None:
    for wrong in (
        lambda: ReadData(1 << 32),
        lambda: ReadNext(0, 0),
        lambda: ReadNext(0, 256),
        lambda: WriteData(0, b"123", OPERATOR, b"1"),
        lambda: WriteData(0, PASSWORD, OPERATOR, bytes(39)),
        lambda: Switch(PASSWORD, OPERATOR, SwitchCommand.TRIP, (126, 1, 1, 0, 0, 0)).frame(METER),
    ):
        with pytest.raises(LocalProtocolError):
            wrong()
