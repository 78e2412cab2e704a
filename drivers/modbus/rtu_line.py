"""Modbus RTU on a byte stream: one request at a time, silence between frames, no answer taken for another's."""

from drivers.base import Cost
from drivers.modbus.line import ModbusLine
from drivers.modbus.registers import Table
from drivers.modbus.rtu_dialogue import RtuDialogue
from drivers.transport.carrier import Carrier
from drivers.transport.stream import ByteStream
from drivers.transport.wire import bytes_ms, wire_ms
from protocols.modbus.pdu import Request, Response

READ_REQUEST, READ_RESPONSE = 8, 5  # bytes of an ADU; a response without its data


class RtuLine(ModbusLine):
    """`timeout` counts from when the request has left the wire, and the answer's own time on the wire is added. It is
    waited for whole only of devices that are not known to answer sooner."""

    def __init__(self, stream: ByteStream) -> None:
        super().__init__(stream.where)
        self._stream = stream
        self._dialogue = RtuDialogue(stream)
        self._carrier = Carrier(stream, self._dialogue)

    @property
    def late(self) -> int:
        """Answers that came after their request was given up."""
        return self._dialogue.late

    async def open(self) -> None:
        await self._carrier.open()

    async def close(self) -> None:
        await self._carrier.close()

    def cost(self, unit: int, space: str) -> Cost:  # noqa: ARG002 - one speed for all
        address = bytes_ms(self._stream, 1 / 8 if Table(space).is_bits else 2)
        return Cost(wire_ms(self._stream, READ_REQUEST, READ_RESPONSE), address)

    def turnaround_ms(self, unit: int) -> float | None:
        """What the unit takes between request and answer, on average; None until it answered."""
        seconds = self._dialogue.turnaround_s(unit)
        return None if seconds is None else 1000 * seconds

    async def exchange(self, unit: int, request: Request, timeout: float) -> Response:
        response: Response = await self._carrier.run(self._dialogue.begin, unit, request, timeout)
        return response
