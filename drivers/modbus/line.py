"""What the Modbus lines have in common: spans to requests, responses to bytes or errors, writing with read-back."""

from abc import ABC, abstractmethod
from decimal import Decimal
from functools import lru_cache

from drivers.base import DeviceError, Model, Reading, Refused, Span, Unreachable
from drivers.modbus.model import RegisterModel
from drivers.modbus.registers import READ_FUNCTIONS, Table
from protocols.modbus.codes import ExceptionCode
from protocols.modbus.pdu import (
    ExceptionResponse,
    ReadBits,
    ReadBitsResponse,
    ReadRegisters,
    ReadRegistersResponse,
    Request,
    Response,
)

_READ = (ReadBitsResponse, ReadRegistersResponse)
# A gateway says so of a device behind it; the device itself said nothing.
_NOT_THE_DEVICE = (ExceptionCode.GATEWAY_PATH_UNAVAILABLE, ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND)


class ModbusLine(ABC):
    """`where` names the line in errors: its address."""

    def __init__(self, where: str) -> None:
        self.where = where

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def exchange(self, unit: int, request: Request, timeout: float) -> Response:
        """The response to `request`, checked against it; an exception is a response. Raises DeviceError."""

    async def read(self, unit: int, span: Span, timeout: float) -> bytes:
        data = self.data_of(unit, await self.exchange(unit, read_request(span), timeout))
        if isinstance(data, DeviceError):
            raise data
        return data

    def data_of(self, unit: int, response: Response) -> bytes | DeviceError:
        """What a read gave."""
        return response.data if isinstance(response, _READ) else self._refusal(unit, response)

    async def write(self, unit: int, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:
        """Raises NotSent when nothing went out; after any other DeviceError the write may have happened."""
        if not isinstance(model, RegisterModel):
            raise TypeError(f"{model.name} is not a model of registers")
        request = model.write_request(channel, value)
        response = await self.exchange(unit, request, timeout)
        if isinstance(response, ExceptionResponse):
            raise self._refusal(unit, response)
        span = model.span_of(channel)
        readings = model.decode(span, await self.read(unit, span, timeout))
        return next(reading for reading in readings if reading.channel == channel)

    def _refusal(self, unit: int, response: Response) -> DeviceError:
        if not isinstance(response, ExceptionResponse):
            raise TypeError(response)
        message = f"{self.of(unit)}: {response.reason} to function {response.function:#04x}"
        return Unreachable(message) if response.code in _NOT_THE_DEVICE else Refused(message, response.code)

    def of(self, unit: int) -> str:
        return f"{self.where} unit {unit}"


@lru_cache(maxsize=1024)
def read_request(span: Span) -> ReadBits | ReadRegisters:
    table = Table(span.space)
    function = READ_FUNCTIONS[table]
    return (ReadBits if table.is_bits else ReadRegisters)(function, span.address, span.length)
