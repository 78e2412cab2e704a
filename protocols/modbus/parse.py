"""PDUs from the other side: a server parses requests, a client parses the response to the request it knows."""

import struct
from collections.abc import Callable
from struct import Struct

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.modbus.codes import EXCEPTION_BIT, ExceptionCode, Function, InvalidRequest
from protocols.modbus.pdu import (
    COIL_OFF,
    COIL_ON,
    MAX_PDU,
    ExceptionResponse,
    MaskWriteRegister,
    OutsideAddressSpace,
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
    unpack_registers,
)

_TWO = Struct(">HH")
_THREE = Struct(">HHH")
_WRITE = Struct(">HHB")
_READ_WRITE = Struct(">HHHHB")


def parse_request(pdu: bytes) -> Request:
    """The server's side. Raises InvalidRequest with the exception code that the state diagrams of section 6 ask for.

    An empty PDU, or a function code that is none (0 and 128..255), has no answer: RemoteProtocolError.
    """
    if not 1 <= len(pdu) <= MAX_PDU or not 0 < pdu[0] < EXCEPTION_BIT:
        raise RemoteProtocolError(f"not a request: {len(pdu)} bytes, {pdu[:8].hex(' ') or 'none'}")
    function = pdu[0]
    parser = _REQUESTS.get(function)
    if parser is None:
        raise InvalidRequest(f"function {function:#04x} is not served", function, ExceptionCode.ILLEGAL_FUNCTION)
    try:
        return parser(pdu[1:])
    except (LocalProtocolError, struct.error) as error:
        outside = isinstance(error, OutsideAddressSpace)
        code = ExceptionCode.ILLEGAL_DATA_ADDRESS if outside else ExceptionCode.ILLEGAL_DATA_VALUE
        raise InvalidRequest(f"function {function:#04x}: {error}", function, code) from None


def parse_response(pdu: bytes, request: Request) -> Response:
    """The client's side: what answers `request`, checked against it (function, byte count, echo).

    An exception is a value, not raised. Raises RemoteProtocolError for everything that is no answer to this request.
    """
    function = request.function
    if len(pdu) == 2 and pdu[0] == function | EXCEPTION_BIT:
        return ExceptionResponse(function, pdu[1])
    if not pdu or pdu[0] != function:
        raise RemoteProtocolError(f"function {function:#04x} was asked, the answer is {pdu[:8].hex(' ') or 'empty'}")
    match request:
        case ReadBits():
            return ReadBitsResponse(request.function, _counted(pdu, (request.quantity + 7) // 8))
        case ReadRegisters():
            return ReadRegistersResponse(request.function, _counted(pdu, 2 * request.quantity))
        case ReadWriteMultipleRegisters():
            return ReadRegistersResponse(request.function, _counted(pdu, 2 * request.read_quantity))
        case WriteMultipleCoils() | WriteMultipleRegisters():
            response = WriteMultipleResponse(request.function, request.address, request.quantity)
            _check_echo(pdu, response.encode())
            return response
        case _:
            _check_echo(pdu, request.encode())
            return request


def _counted(pdu: bytes, expected: int) -> bytes:
    """The data of a response [function, byte count, data]."""
    if len(pdu) < 2 or pdu[1] != expected or len(pdu) != 2 + expected:
        count = pdu[1] if len(pdu) > 1 else 0
        raise RemoteProtocolError(
            f"function {pdu[0]:#04x}: {expected} bytes were asked, byte count {count} with {len(pdu[2:])} bytes came"
        )
    return pdu[2:]


def _check_echo(pdu: bytes, expected: bytes) -> None:
    if pdu != expected:
        raise RemoteProtocolError(
            f"function {pdu[0]:#04x}: the echo is {pdu[1:].hex(' ')}, {expected[1:].hex(' ')} was written"
        )


def _read_bits(function: Function) -> Callable[[bytes], Request]:
    return lambda body: ReadBits(function, *_TWO.unpack(body))


def _read_registers(function: Function) -> Callable[[bytes], Request]:
    return lambda body: ReadRegisters(function, *_TWO.unpack(body))


def _write_single_coil(body: bytes) -> Request:
    address, value = _TWO.unpack(body)
    if value not in (COIL_ON, COIL_OFF):
        raise LocalProtocolError(f"a coil is written {COIL_ON:#06x} or {COIL_OFF:#06x}, not {value:#06x}")
    return WriteSingleCoil(address, value == COIL_ON)


def _write_single_register(body: bytes) -> Request:
    return WriteSingleRegister(*_TWO.unpack(body))


def _write_multiple_coils(body: bytes) -> Request:
    address, quantity, count = _WRITE.unpack_from(body)
    data = _data(body, _WRITE.size, count, (quantity + 7) // 8)
    return WriteMultipleCoils(address, unpack_bits(data, quantity))


def _write_multiple_registers(body: bytes) -> Request:
    address, quantity, count = _WRITE.unpack_from(body)
    return WriteMultipleRegisters(address, unpack_registers(_data(body, _WRITE.size, count, 2 * quantity)))


def _mask_write(body: bytes) -> Request:
    return MaskWriteRegister(*_THREE.unpack(body))


def _read_write(body: bytes) -> Request:
    read_address, read_quantity, address, quantity, count = _READ_WRITE.unpack_from(body)
    values = unpack_registers(_data(body, _READ_WRITE.size, count, 2 * quantity))
    return ReadWriteMultipleRegisters(read_address, read_quantity, address, values)


def _data(body: bytes, start: int, count: int, expected: int) -> bytes:
    """The values of a write. Their number is checked before any is unpacked: a hostile quantity costs nothing."""
    if not count == expected == len(body) - start:
        raise LocalProtocolError(f"byte count {count}, {len(body) - start} bytes, but the quantity needs {expected}")
    return body[start:]


_REQUESTS: dict[int, Callable[[bytes], Request]] = {
    Function.READ_COILS: _read_bits(Function.READ_COILS),
    Function.READ_DISCRETE_INPUTS: _read_bits(Function.READ_DISCRETE_INPUTS),
    Function.READ_HOLDING_REGISTERS: _read_registers(Function.READ_HOLDING_REGISTERS),
    Function.READ_INPUT_REGISTERS: _read_registers(Function.READ_INPUT_REGISTERS),
    Function.WRITE_SINGLE_COIL: _write_single_coil,
    Function.WRITE_SINGLE_REGISTER: _write_single_register,
    Function.WRITE_MULTIPLE_COILS: _write_multiple_coils,
    Function.WRITE_MULTIPLE_REGISTERS: _write_multiple_registers,
    Function.MASK_WRITE_REGISTER: _mask_write,
    Function.READ_WRITE_MULTIPLE_REGISTERS: _read_write,
}
