"""The examples of Modbus Application Protocol 1.1b3, section 6, and the bounds that it sets."""

import pytest

from protocols.errors import LocalProtocolError
from protocols.modbus.codes import Function, describe_exception
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
    unpack_bits,
)

TEN_COILS = unpack_bits(bytes.fromhex("CD01"), 10)

EXAMPLES: list[tuple[str, str, Request, str, Response]] = [
    (
        "6.1",
        "01 0013 0013",
        ReadBits(Function.READ_COILS, 19, 19),
        "01 03 CD6B05",
        ReadBitsResponse(Function.READ_COILS, bytes.fromhex("CD6B05")),
    ),
    (
        "6.2",
        "02 00C4 0016",
        ReadBits(Function.READ_DISCRETE_INPUTS, 196, 22),
        "02 03 ACDB35",
        ReadBitsResponse(Function.READ_DISCRETE_INPUTS, bytes.fromhex("ACDB35")),
    ),
    (
        "6.3",
        "03 006B 0003",
        ReadRegisters(Function.READ_HOLDING_REGISTERS, 107, 3),
        "03 06 022B 0000 0064",
        ReadRegistersResponse.of(Function.READ_HOLDING_REGISTERS, [555, 0, 100]),
    ),
    (
        "6.4",
        "04 0008 0001",
        ReadRegisters(Function.READ_INPUT_REGISTERS, 8, 1),
        "04 02 000A",
        ReadRegistersResponse.of(Function.READ_INPUT_REGISTERS, [10]),
    ),
    ("6.5", "05 00AC FF00", WriteSingleCoil(172, True), "05 00AC FF00", WriteSingleCoil(172, True)),
    ("6.6", "06 0001 0003", WriteSingleRegister(1, 3), "06 0001 0003", WriteSingleRegister(1, 3)),
    (
        "6.11",
        "0F 0013 000A 02 CD01",
        WriteMultipleCoils(19, TEN_COILS),
        "0F 0013 000A",
        WriteMultipleResponse(Function.WRITE_MULTIPLE_COILS, 19, 10),
    ),
    (
        "6.12",
        "10 0001 0002 04 000A 0102",
        WriteMultipleRegisters(1, (10, 258)),
        "10 0001 0002",
        WriteMultipleResponse(Function.WRITE_MULTIPLE_REGISTERS, 1, 2),
    ),
    (
        "6.16",
        "16 0004 00F2 0025",
        MaskWriteRegister(4, 0xF2, 0x25),
        "16 0004 00F2 0025",
        MaskWriteRegister(4, 0xF2, 0x25),
    ),
    (
        "6.17",
        "17 0003 0006 000E 0003 06 00FF 00FF 00FF",
        ReadWriteMultipleRegisters(3, 6, 14, (255, 255, 255)),
        "17 0C 00FE 0ACD 0001 0003 000D 00FF",
        ReadRegistersResponse.of(Function.READ_WRITE_MULTIPLE_REGISTERS, [254, 2765, 1, 3, 13, 255]),
    ),
    (
        "7",
        "01 04A1 0001",
        ReadBits(Function.READ_COILS, 1185, 1),
        "81 02",
        ExceptionResponse(Function.READ_COILS, 2),
    ),
]


@pytest.mark.parametrize(
    ("request_hex", "request_", "response_hex", "response"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES]
)
def test_the_specifications_examples_are_what_we_say_and_understand(
    request_hex: str, request_: Request, response_hex: str, response: Response
) -> None:
    assert request_.encode() == bytes.fromhex(request_hex)
    assert parse_request(bytes.fromhex(request_hex)) == request_
    assert response.encode() == bytes.fromhex(response_hex)
    assert parse_response(bytes.fromhex(response_hex), request_) == response


def test_the_first_coil_of_the_example_is_the_lowest_bit() -> None:
    # 6.1: "the status of outputs 27-20 is shown as the byte value CD hex, or binary 1100 1101"
    response = ReadBitsResponse(Function.READ_COILS, bytes.fromhex("CD6B05"))
    assert response.bits(19)[:8] == (True, False, True, True, False, False, True, True)
    assert response.bits(19)[16:] == (True, False, True)
    assert ReadBitsResponse.of(Function.READ_COILS, response.bits(19)) == response


def test_a_mask_write_gives_the_result_of_the_specifications_example() -> None:
    assert MaskWriteRegister(4, 0xF2, 0x25).apply(0x12) == 0x17  # 6.16


@pytest.mark.parametrize(
    "build",
    [
        lambda: ReadBits(Function.READ_COILS, 0, 0),
        lambda: ReadBits(Function.READ_COILS, 0, 2001),
        lambda: ReadBits(Function.READ_HOLDING_REGISTERS, 0, 1),
        lambda: ReadRegisters(Function.READ_COILS, 0, 1),
        lambda: ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 126),
        lambda: ReadRegisters(Function.READ_HOLDING_REGISTERS, 65535, 2),
        lambda: ReadRegisters(Function.READ_HOLDING_REGISTERS, -1, 1),
        lambda: WriteSingleCoil(65536, True),
        lambda: WriteSingleRegister(0, 65536),
        lambda: WriteSingleRegister(0, -1),
        lambda: WriteMultipleCoils(0, ()),
        lambda: WriteMultipleCoils(0, (True,) * 1969),
        lambda: WriteMultipleRegisters(0, (0,) * 124),
        lambda: WriteMultipleResponse(Function.WRITE_SINGLE_COIL, 0, 1),
        lambda: MaskWriteRegister(0, 0x10000, 0),
        lambda: ReadWriteMultipleRegisters(0, 126, 0, (0,)),
        lambda: ReadWriteMultipleRegisters(0, 1, 0, (0,) * 122),
        lambda: ReadBitsResponse(Function.READ_COILS, b""),
        lambda: ReadBitsResponse(Function.READ_COILS, bytes(251)),
        lambda: ReadRegistersResponse(Function.READ_HOLDING_REGISTERS, b"123"),
        lambda: ReadRegistersResponse(Function.WRITE_SINGLE_COIL, b"12"),
        lambda: ReadRegistersResponse.of(Function.READ_HOLDING_REGISTERS, [65536]),
        lambda: ExceptionResponse(0x83, 2),
        lambda: ExceptionResponse(3, 256),
    ],
)
def test_a_pdu_that_the_specification_does_not_allow_cannot_be_made(build: object) -> None:
    with pytest.raises(LocalProtocolError):
        build()  # type: ignore[operator]


def test_the_largest_pdus_fit() -> None:
    assert len(WriteMultipleCoils(0, (True,) * 1968).encode()) == 252
    assert len(WriteMultipleRegisters(65413, (1,) * 123).encode()) == 252
    assert len(ReadWriteMultipleRegisters(0, 125, 0, (1,) * 121).encode()) == 252
    assert len(ReadRegistersResponse(Function.READ_HOLDING_REGISTERS, bytes(250)).encode()) == 252


def test_an_exception_says_its_name_or_that_it_has_none() -> None:
    assert ExceptionResponse(3, 2).reason == "illegal data address (0x02)"
    assert describe_exception(0x55) == "exception 0x55, which the specification does not know"
