"""Function and exception codes (Modbus Application Protocol 1.1b3, sections 5.1 and 7), and the error with one."""

from enum import IntEnum

from protocols.errors import RemoteProtocolError

EXCEPTION_BIT = 0x80  # section 7: an exception answers with the function code's top bit set


class Function(IntEnum):
    READ_COILS = 0x01
    READ_DISCRETE_INPUTS = 0x02
    READ_HOLDING_REGISTERS = 0x03
    READ_INPUT_REGISTERS = 0x04
    WRITE_SINGLE_COIL = 0x05
    WRITE_SINGLE_REGISTER = 0x06
    WRITE_MULTIPLE_COILS = 0x0F
    WRITE_MULTIPLE_REGISTERS = 0x10
    MASK_WRITE_REGISTER = 0x16
    READ_WRITE_MULTIPLE_REGISTERS = 0x17


class ExceptionCode(IntEnum):
    ILLEGAL_FUNCTION = 0x01
    ILLEGAL_DATA_ADDRESS = 0x02
    ILLEGAL_DATA_VALUE = 0x03
    SERVER_DEVICE_FAILURE = 0x04
    ACKNOWLEDGE = 0x05
    SERVER_DEVICE_BUSY = 0x06
    NEGATIVE_ACKNOWLEDGE = 0x07  # not in 1.1b3; Modicon PI-MBUS-300, and devices that still send it
    MEMORY_PARITY_ERROR = 0x08
    GATEWAY_PATH_UNAVAILABLE = 0x0A
    GATEWAY_TARGET_FAILED_TO_RESPOND = 0x0B


def describe_exception(code: int) -> str:
    """Its name in words with the code, or that the specification knows no such code."""
    try:
        return f"{ExceptionCode(code).name.lower().replace('_', ' ')} ({code:#04x})"
    except ValueError:
        return f"exception {code:#04x}, which the specification does not know"


class InvalidRequest(RemoteProtocolError):
    """A server cannot take this request: it answers `ExceptionResponse(error.function, error.code)`."""

    def __init__(self, message: str, function: int, code: ExceptionCode) -> None:
        super().__init__(message)
        self.function = function
        self.code = code
