"""A client's bytes in, the slaves' bytes out, with the time at which each goes. No sockets in here."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from protocols.errors import RemoteProtocolError
from protocols.modbus.codes import ExceptionCode, Function, InvalidRequest
from protocols.modbus.frame import NEED_DATA, Frame, NeedData
from protocols.modbus.parse import parse_request
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
from protocols.modbus.rtu import RtuRequestDecoder, encode_rtu
from protocols.modbus.tcp import TcpDecoder, encode_tcp
from sim_devices.clock import Now
from sim_devices.conversation import LineProtocol, Record
from sim_devices.faults import Fault, Faults, Kind, Send, distort, heard
from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import NoSuchAddress, NotTaken, Table
from sim_devices.models.base import Device, Unit

BROADCAST = 0
READS = {
    Function.READ_COILS: Table.COIL,
    Function.READ_DISCRETE_INPUTS: Table.DISCRETE,
    Function.READ_HOLDING_REGISTERS: Table.HOLDING,
    Function.READ_INPUT_REGISTERS: Table.INPUT,
}


class Framing(Protocol):
    """How frames go over this line; `spoil` is the encoding that the receiver must refuse."""

    def encode(self, frame: Frame) -> bytes: ...

    def spoil(self, frame: Frame) -> bytes: ...


class Tcp:
    def encode(self, frame: Frame) -> bytes:
        return encode_tcp(frame)

    def spoil(self, frame: Frame) -> bytes:
        return encode_tcp(frame._replace(transaction=frame.transaction ^ 0x5555))


class Rtu:
    def encode(self, frame: Frame) -> bytes:
        return encode_rtu(frame)

    def spoil(self, frame: Frame) -> bytes:
        whole = encode_rtu(frame)
        return whole[:-2] + bytes(byte ^ 0x5A for byte in whole[-2:])


class ModbusAnswer(NamedTuple):
    """A sim_devices.faults.Answer."""

    frame: Frame
    framing: Framing

    def whole(self) -> bytes:
        return self.framing.encode(self.frame)

    def spoiled(self) -> bytes:
        return self.framing.spoil(self.frame)

    def misaddressed(self) -> bytes:
        return self.framing.encode(self.frame._replace(unit=self.frame.unit % 247 + 1))


class Decoder(Protocol):
    def receive_data(self, data: bytes) -> None: ...

    def next_frame(self) -> Frame | NeedData: ...


class Slaves:
    """The devices of one line by unit. `requests` and `answers` count by device code."""

    def __init__(
        self,
        units: Mapping[Unit, Device],
        faults: Faults,
        advance: Callable[[int], None],
        record: Record | None = None,
    ) -> None:
        self.units: dict[Unit, RegisterDevice] = {
            unit: device for unit, device in units.items() if isinstance(device, RegisterDevice)
        }
        self.faults = faults
        self._advance = advance
        self._record = record
        self.requests = dict.fromkeys((device.code for device in self.units.values()), 0)

    def converse(self, kind: str) -> "Session":
        return Session(self, tcp=kind == "tcp", gateway=kind == "tcp")

    def answer(self, frame: Frame, framing: Framing, now: Now, absent: ExceptionCode | None) -> list[Send]:
        """`absent` is what a gateway says for units that are not there; None keeps silent, as a serial line does."""
        self._advance(now.sim_ms)
        device = self.units.get(frame.unit)
        if device is None:
            if frame.unit == BROADCAST and absent is None:
                for each in self.units.values():
                    perform(frame.pdu, each)
                return []
            if absent is None:
                return []
            return [
                Send(0.0, framing.encode(frame.reply(ExceptionResponse(frame.pdu[0] & 0x7F or 1, absent).encode())))
            ]
        self.requests[device.code] += 1
        fault = self.faults.strike(device.code, now.monotonic)
        request: Request | None = None
        if fault is not None and fault.kind is Kind.EXCEPTION:
            # A device that refuses has done nothing.
            response: Response = ExceptionResponse(frame.pdu[0] & 0x7F or 1, fault.code)
        else:
            try:
                request, response = perform(frame.pdu, device)
            except RemoteProtocolError:
                return []
        if request is not None:
            self._journal(now, frame.unit, device, request, response, fault)
        return distort(fault, ModbusAnswer(frame.reply(response.encode()), framing), self.faults)

    def _journal(
        self, now: Now, unit: int, device: RegisterDevice, request: Request, response: Response, fault: Fault | None
    ) -> None:
        if self._record is None or not heard(fault):
            return
        match request, response:
            case ReadBits(function, address, quantity), ReadBitsResponse():
                values = [int(bit) for bit in response.bits(quantity)]
            case ReadRegisters(function, address, quantity), ReadRegistersResponse():
                values = list(response.registers)
            case _:
                return
        said = {"table": str(READS[function]), "address": address, "count": len(values), "registers": values}
        self._record(now, unit, device, said, fault)


def perform(pdu: bytes, device: RegisterDevice) -> tuple[Request | None, Response]:
    """Carries a request out. Raises RemoteProtocolError for what no server answers."""
    try:
        request = parse_request(pdu)
    except InvalidRequest as error:
        return None, ExceptionResponse(error.function, error.code)
    try:
        return request, _carry_out(request, device)
    except NoSuchAddress:
        return request, ExceptionResponse(request.function, ExceptionCode.ILLEGAL_DATA_ADDRESS)
    except NotTaken:
        return request, ExceptionResponse(request.function, ExceptionCode.ILLEGAL_DATA_VALUE)


def _carry_out(request: Request, device: RegisterDevice) -> Response:
    match request:
        case ReadBits(function, address, quantity):
            bits = device.read(READS[function], address, quantity)
            return ReadBitsResponse.of(function, [bool(bit) for bit in bits])
        case ReadRegisters(function, address, quantity):
            return ReadRegistersResponse.of(function, device.read(READS[function], address, quantity))
        case WriteSingleCoil(address, on):
            device.write(Table.COIL, address, [int(on)])
            return request
        case WriteSingleRegister(address, value):
            device.write(Table.HOLDING, address, [value])
            return request
        case WriteMultipleCoils(address, bits_written):
            device.write(Table.COIL, address, [int(bit) for bit in bits_written])
            return WriteMultipleResponse(request.function, address, len(bits_written))
        case WriteMultipleRegisters(address, values):
            device.write(Table.HOLDING, address, values)
            return WriteMultipleResponse(request.function, address, len(values))
        case MaskWriteRegister(address):
            device.write(Table.HOLDING, address, [request.apply(device.read(Table.HOLDING, address, 1)[0])])
            return request
        case ReadWriteMultipleRegisters(read_address, read_quantity, write_address, values):
            device.write(Table.HOLDING, write_address, values)
            return ReadRegistersResponse.of(request.function, device.read(Table.HOLDING, read_address, read_quantity))


class Session:
    """One client on one line. RemoteProtocolError from `receive` means that the connection is past saving."""

    def __init__(self, slaves: Slaves, *, tcp: bool, gateway: bool) -> None:
        self._slaves = slaves
        self._framing: Framing = Tcp() if tcp else Rtu()
        units = {unit for unit in slaves.units if isinstance(unit, int)}
        self._decoder: Decoder = TcpDecoder() if tcp else RtuRequestDecoder(units | {BROADCAST})
        self._absent = ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND if gateway else None

    def receive(self, data: bytes, now: Now) -> list[Send]:
        self._decoder.receive_data(data)
        return self._drain(now)

    def idle(self, now: Now) -> list[Send]:
        """The line fell silent: half a frame will not be continued. Noise is a slave's business to ignore."""
        if isinstance(self._decoder, RtuRequestDecoder):
            self._decoder.line_idle()
            try:
                return self._drain(now)
            except RemoteProtocolError:
                return []
        return []

    def _drain(self, now: Now) -> list[Send]:
        sends: list[Send] = []
        while (frame := self._decoder.next_frame()) is not NEED_DATA:
            sends += self._slaves.answer(frame, self._framing, now, self._absent)
        return sends


def _unit(given: Unit) -> Unit:
    if not isinstance(given, int) or not 1 <= given <= 247:
        raise ValueError(f"is to be 1..247, not {given!r}")
    return given


PROTOCOL = LineProtocol(("tcp", "rtu-over-tcp", "pty"), _unit, Slaves)
