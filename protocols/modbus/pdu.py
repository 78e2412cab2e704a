"""Requests and responses of the read and write functions (Modbus Application Protocol 1.1b3, section 6).

A PDU that exists is valid: constructing one that the specification does not allow raises LocalProtocolError. What
comes from the other side is parsed by `parse_request` and `parse_response`, which raise RemoteProtocolError.
Addresses are those on the wire, from 0; nothing here knows of 40001.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import TypeAlias

from protocols.errors import LocalProtocolError
from protocols.modbus.codes import EXCEPTION_BIT, Function, describe_exception

MAX_PDU = 253  # section 4.1: 256 bytes of an RS-485 ADU without address and CRC
MAX_READ_BITS = 2000  # 6.1, 6.2
MAX_READ_REGISTERS = 125  # 6.3, 6.4, 6.17
MAX_WRITE_BITS = 1968  # 6.11
MAX_WRITE_REGISTERS = 123  # 6.12
MAX_READ_WRITE_REGISTERS = 121  # 6.17, of those written
COIL_ON, COIL_OFF = 0xFF00, 0x0000  # 6.5

BIT_READS = frozenset({Function.READ_COILS, Function.READ_DISCRETE_INPUTS})
REGISTER_READS = frozenset({Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS})

_HEAD = Struct(">BHH")  # function, address, value or quantity


class OutsideAddressSpace(LocalProtocolError):
    """A span reaches behind address 65535."""


def _check_span(address: int, quantity: int, most: int) -> None:
    if not 1 <= quantity <= most:
        raise LocalProtocolError(f"quantity {quantity} is not in 1..{most}")
    if not 0 <= address <= 0x10000 - quantity:
        raise OutsideAddressSpace(f"{quantity} from address {address} reach outside of 0..65535")


def _check_registers(*values: int) -> None:
    for value in values:
        if not 0 <= value <= 0xFFFF:
            raise LocalProtocolError(f"{value} is not a 16-bit register")


def pack_bits(bits: Sequence[bool]) -> bytes:
    """The first bit is the lowest of the first byte; the last byte is filled with zeros (6.1)."""
    return sum(1 << index for index, bit in enumerate(bits) if bit).to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(data: bytes, quantity: int) -> tuple[bool, ...]:
    whole = int.from_bytes(data, "little")
    return tuple(bool(whole >> index & 1) for index in range(quantity))


def pack_registers(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def unpack_registers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2))


@dataclass(frozen=True, slots=True)
class ReadBits:
    """01 read coils, 02 read discrete inputs."""

    function: Function
    address: int
    quantity: int

    def __post_init__(self) -> None:
        if self.function not in BIT_READS:
            raise LocalProtocolError(f"function {self.function:#04x} does not read bits")
        _check_span(self.address, self.quantity, MAX_READ_BITS)

    def encode(self) -> bytes:
        return _HEAD.pack(self.function, self.address, self.quantity)


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """03 read holding registers, 04 read input registers."""

    function: Function
    address: int
    quantity: int

    def __post_init__(self) -> None:
        if self.function not in REGISTER_READS:
            raise LocalProtocolError(f"function {self.function:#04x} does not read registers")
        _check_span(self.address, self.quantity, MAX_READ_REGISTERS)

    def encode(self) -> bytes:
        return _HEAD.pack(self.function, self.address, self.quantity)


@dataclass(frozen=True, slots=True)
class ReadBitsResponse:
    """`data` is as on the wire; bits behind the last one asked for are to be zero, and are not looked at."""

    function: Function
    data: bytes

    def __post_init__(self) -> None:
        if self.function not in BIT_READS or not 1 <= len(self.data) <= MAX_READ_BITS // 8:
            raise LocalProtocolError(f"{len(self.data)} bytes do not answer function {self.function:#04x}")

    @classmethod
    def of(cls, function: Function, bits: Sequence[bool]) -> "ReadBitsResponse":
        return cls(function, pack_bits(bits))

    def bits(self, quantity: int) -> tuple[bool, ...]:
        return unpack_bits(self.data, quantity)

    def encode(self) -> bytes:
        return bytes((self.function, len(self.data))) + self.data


@dataclass(frozen=True, slots=True)
class ReadRegistersResponse:
    """Of 03, 04 and 17: `data` holds big-endian registers, as on the wire."""

    function: Function
    data: bytes

    def __post_init__(self) -> None:
        if self.function not in REGISTER_READS and self.function != Function.READ_WRITE_MULTIPLE_REGISTERS:
            raise LocalProtocolError(f"function {self.function:#04x} does not read registers")
        if len(self.data) % 2 or not 2 <= len(self.data) <= 2 * MAX_READ_REGISTERS:
            raise LocalProtocolError(f"{len(self.data)} bytes are not 1..{MAX_READ_REGISTERS} registers")

    @classmethod
    def of(cls, function: Function, values: Sequence[int]) -> "ReadRegistersResponse":
        _check_registers(*values)
        return cls(function, pack_registers(values))

    @property
    def registers(self) -> tuple[int, ...]:
        return unpack_registers(self.data)

    def encode(self) -> bytes:
        return bytes((self.function, len(self.data))) + self.data


@dataclass(frozen=True, slots=True)
class WriteSingleCoil:
    """05; the response echoes the request."""

    address: int
    on: bool

    def __post_init__(self) -> None:
        _check_span(self.address, 1, 1)

    @property
    def function(self) -> Function:
        return Function.WRITE_SINGLE_COIL

    def encode(self) -> bytes:
        return _HEAD.pack(self.function, self.address, COIL_ON if self.on else COIL_OFF)


@dataclass(frozen=True, slots=True)
class WriteSingleRegister:
    """06; the response echoes the request."""

    address: int
    value: int

    def __post_init__(self) -> None:
        _check_span(self.address, 1, 1)
        _check_registers(self.value)

    @property
    def function(self) -> Function:
        return Function.WRITE_SINGLE_REGISTER

    def encode(self) -> bytes:
        return _HEAD.pack(self.function, self.address, self.value)


@dataclass(frozen=True, slots=True)
class WriteMultipleCoils:
    """0F."""

    address: int
    bits: tuple[bool, ...]

    def __post_init__(self) -> None:
        _check_span(self.address, len(self.bits), MAX_WRITE_BITS)

    @property
    def function(self) -> Function:
        return Function.WRITE_MULTIPLE_COILS

    @property
    def quantity(self) -> int:
        return len(self.bits)

    def encode(self) -> bytes:
        data = pack_bits(self.bits)
        return _HEAD.pack(self.function, self.address, len(self.bits)) + bytes((len(data),)) + data


@dataclass(frozen=True, slots=True)
class WriteMultipleRegisters:
    """10."""

    address: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_span(self.address, len(self.values), MAX_WRITE_REGISTERS)
        _check_registers(*self.values)

    @property
    def function(self) -> Function:
        return Function.WRITE_MULTIPLE_REGISTERS

    @property
    def quantity(self) -> int:
        return len(self.values)

    def encode(self) -> bytes:
        data = pack_registers(self.values)
        return _HEAD.pack(self.function, self.address, len(self.values)) + bytes((len(data),)) + data


@dataclass(frozen=True, slots=True)
class WriteMultipleResponse:
    """Of 0F and 10: what was written, not its values."""

    function: Function
    address: int
    quantity: int

    def __post_init__(self) -> None:
        match self.function:
            case Function.WRITE_MULTIPLE_COILS:
                _check_span(self.address, self.quantity, MAX_WRITE_BITS)
            case Function.WRITE_MULTIPLE_REGISTERS:
                _check_span(self.address, self.quantity, MAX_WRITE_REGISTERS)
            case _:
                raise LocalProtocolError(f"function {self.function:#04x} does not write several")

    def encode(self) -> bytes:
        return _HEAD.pack(self.function, self.address, self.quantity)


@dataclass(frozen=True, slots=True)
class MaskWriteRegister:
    """16: result = (current AND and_mask) OR (or_mask AND NOT and_mask); the response echoes the request."""

    address: int
    and_mask: int
    or_mask: int

    def __post_init__(self) -> None:
        _check_span(self.address, 1, 1)
        _check_registers(self.and_mask, self.or_mask)

    @property
    def function(self) -> Function:
        return Function.MASK_WRITE_REGISTER

    def apply(self, current: int) -> int:
        return current & self.and_mask | self.or_mask & ~self.and_mask & 0xFFFF

    def encode(self) -> bytes:
        return _HEAD.pack(self.function, self.address, self.and_mask) + self.or_mask.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class ReadWriteMultipleRegisters:
    """17: the write comes before the read."""

    read_address: int
    read_quantity: int
    write_address: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_span(self.read_address, self.read_quantity, MAX_READ_REGISTERS)
        _check_span(self.write_address, len(self.values), MAX_READ_WRITE_REGISTERS)
        _check_registers(*self.values)

    @property
    def function(self) -> Function:
        return Function.READ_WRITE_MULTIPLE_REGISTERS

    def encode(self) -> bytes:
        data = pack_registers(self.values)
        head = _HEAD.pack(self.function, self.read_address, self.read_quantity)
        return head + Struct(">HHB").pack(self.write_address, len(self.values), len(data)) + data


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """`function` is the request's, without the top bit; `code` may be one that the specification does not know."""

    function: int
    code: int

    def __post_init__(self) -> None:
        if not (0 < self.function < EXCEPTION_BIT and 0 <= self.code <= 0xFF):
            raise LocalProtocolError(f"no exception has function {self.function} and code {self.code}")

    @property
    def reason(self) -> str:
        return describe_exception(self.code)

    def encode(self) -> bytes:
        return bytes((self.function | EXCEPTION_BIT, self.code))


Request: TypeAlias = (
    ReadBits
    | ReadRegisters
    | WriteSingleCoil
    | WriteSingleRegister
    | WriteMultipleCoils
    | WriteMultipleRegisters
    | MaskWriteRegister
    | ReadWriteMultipleRegisters
)
Response: TypeAlias = (
    ReadBitsResponse
    | ReadRegistersResponse
    | WriteSingleCoil
    | WriteSingleRegister
    | WriteMultipleResponse
    | MaskWriteRegister
    | ExceptionResponse
)
