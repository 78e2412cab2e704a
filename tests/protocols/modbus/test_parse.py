"""What a server must refuse and with which code, what a client must not believe, and that nothing else changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.modbus.codes import ExceptionCode, Function, InvalidRequest
from protocols.modbus.parse import parse_request, parse_response
from protocols.modbus.pdu import (
    ExceptionResponse,
    MaskWriteRegister,
    ReadBits,
    ReadBitsResponse,
    ReadRegisters,
    ReadRegistersResponse,
    ReadWriteMultipleRegisters,
    Request,
    Response,
    WriteMultipleCoils,
    WriteMultipleRegisters,
    WriteMultipleResponse,
    WriteSingleCoil,
    WriteSingleRegister,
)

READ_3 = ReadRegisters(Function.READ_HOLDING_REGISTERS, 107, 3)

word = st.integers(0, 0xFFFF)


@st.composite
def spans(draw: st.DrawFn, most: int) -> tuple[int, int]:
    quantity = draw(st.integers(1, most))
    return draw(st.integers(0, 0x10000 - quantity)), quantity


@st.composite
def requests(draw: st.DrawFn) -> Request:
    def written(most: int) -> tuple[int, tuple[int, ...]]:
        address, quantity = draw(spans(most))
        return address, tuple(draw(st.lists(word, min_size=quantity, max_size=quantity)))

    match draw(st.sampled_from(Function)):
        case Function.READ_COILS | Function.READ_DISCRETE_INPUTS as function:
            return ReadBits(function, *draw(spans(2000)))
        case Function.READ_HOLDING_REGISTERS | Function.READ_INPUT_REGISTERS as function:
            return ReadRegisters(function, *draw(spans(125)))
        case Function.WRITE_SINGLE_COIL:
            return WriteSingleCoil(draw(word), draw(st.booleans()))
        case Function.WRITE_SINGLE_REGISTER:
            return WriteSingleRegister(draw(word), draw(word))
        case Function.WRITE_MULTIPLE_COILS:
            address, quantity = draw(spans(60))
            return WriteMultipleCoils(
                address, tuple(draw(st.lists(st.booleans(), min_size=quantity, max_size=quantity)))
            )
        case Function.WRITE_MULTIPLE_REGISTERS:
            return WriteMultipleRegisters(*written(20))
        case Function.MASK_WRITE_REGISTER:
            return MaskWriteRegister(draw(word), draw(word), draw(word))
        case _:
            return ReadWriteMultipleRegisters(*draw(spans(125)), *written(20))


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Request, Response]:
    request = draw(requests())
    if draw(st.integers(0, 4)) == 0:
        return request, ExceptionResponse(request.function, draw(st.integers(0, 255)))

    def data(length: int) -> bytes:
        return draw(st.binary(min_size=length, max_size=length))

    match request:
        case ReadBits(function, _, quantity):
            return request, ReadBitsResponse(function, data((quantity + 7) // 8))
        case ReadRegisters(function, _, quantity):
            return request, ReadRegistersResponse(function, data(2 * quantity))
        case ReadWriteMultipleRegisters(_, quantity):
            return request, ReadRegistersResponse(request.function, data(2 * quantity))
        case WriteMultipleCoils() | WriteMultipleRegisters():
            return request, WriteMultipleResponse(request.function, request.address, request.quantity)
        case _:
            return request, request


@given(exchanges())
def test_any_exchange_comes_back_as_it_was(exchange: tuple[Request, Response]) -> None:
    request, response = exchange
    assert parse_request(request.encode()) == request
    assert parse_response(response.encode(), request) == response


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_refused(pdu: bytes) -> None:
    try:
        request = parse_request(pdu)
    except InvalidRequest as error:
        answer = ExceptionResponse(error.function, error.code)
        assert answer.encode()[0] == pdu[0] | 0x80
    except RemoteProtocolError:
        assert not pdu or len(pdu) > 253 or pdu[0] == 0 or pdu[0] >= 0x80
    else:
        assert len(request.encode()) == len(pdu)


@given(st.binary(max_size=300), requests())
def test_any_bytes_are_a_response_or_refused(pdu: bytes, request: Request) -> None:
    try:
        response = parse_response(pdu, request)
    except RemoteProtocolError:
        return
    assert response.encode() == pdu


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("07", ExceptionCode.ILLEGAL_FUNCTION),
        ("2B 0E 01 00", ExceptionCode.ILLEGAL_FUNCTION),
        ("03 0000 0000", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("03 0000 007E", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("03 FFFF 0002", ExceptionCode.ILLEGAL_DATA_ADDRESS),
        ("01 0000 07D1", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("01 FFFF FFFF", ExceptionCode.ILLEGAL_DATA_VALUE),  # the quantity is looked at first
        ("03 0000", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("03 0000 0001 00", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("05 0000 0001", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("05 0000 FFFF", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("0F 0013 000A 01 CD", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("0F 0000 07B1 F7" + "00" * 247, ExceptionCode.ILLEGAL_DATA_VALUE),
        ("10 0001 0002 04 000A", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("10 0001 0002 03 000A01", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("10 FFFF 0002 04 000A 0102", ExceptionCode.ILLEGAL_DATA_ADDRESS),
        ("10 0000 0000 00", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("17 0003 0000 000E 0001 02 00FF", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("17 0003 0001 FFFF 0002 04 00FF 00FF", ExceptionCode.ILLEGAL_DATA_ADDRESS),
    ],
)
def test_a_bad_request_is_answered_with_the_specified_code(pdu: str, code: ExceptionCode) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(bytes.fromhex(pdu))
    assert (caught.value.function, caught.value.code) == (bytes.fromhex(pdu)[0], code)


@pytest.mark.parametrize("pdu", ["", "00 0000 0001", "83 02", "FF"])
def test_what_is_no_request_has_no_answer(pdu: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_request(bytes.fromhex(pdu))
    assert not isinstance(caught.value, InvalidRequest)


@pytest.mark.parametrize(
    ("request_", "pdu"),
    [
        (READ_3, ""),
        (READ_3, "03"),
        (READ_3, "04 06 022B 0000 0064"),
        (READ_3, "03 04 022B 0000"),
        (READ_3, "03 06 022B 0000"),
        (READ_3, "03 06 022B 0000 0064 00"),
        (READ_3, "03 05 022B 0000 0064"),
        (READ_3, "84 02"),
        (READ_3, "83"),
        (READ_3, "83 02 00"),
        (ReadBits(Function.READ_COILS, 0, 9), "01 01 00"),
        (WriteSingleRegister(1, 3), "06 0001 0004"),
        (WriteSingleRegister(1, 3), "06 0002 0003"),
        (WriteSingleCoil(1, True), "05 0001 0000"),
        (WriteMultipleRegisters(1, (1, 2)), "10 0001 0001"),
        (WriteMultipleRegisters(1, (1, 2)), "10 0001 0002 00"),
        (WriteMultipleCoils(1, (True,)), "0F 0000 0001"),
        (MaskWriteRegister(4, 0xF2, 0x25), "16 0004 00F2 0024"),
    ],
)
def test_what_does_not_answer_the_request_is_refused(request_: Request, pdu: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_response(bytes.fromhex(pdu), request_)


def test_a_wrong_length_is_told_with_what_was_asked() -> None:
    with pytest.raises(RemoteProtocolError, match="6 bytes were asked, byte count 4 with 4 bytes came"):
        parse_response(bytes.fromhex("03 04 022B 0000"), READ_3)
