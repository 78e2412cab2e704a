"""Modbus TCP: one connection, answers told apart by their transaction, several requests under way if told so."""

from collections.abc import Callable, Sequence

from drivers.base import Cost, DeviceError, Span
from drivers.modbus.line import ModbusLine
from drivers.modbus.tcp_dialogue import Answer, Question, TcpDialogue, question, read_question
from drivers.transport.carrier import Carrier
from drivers.transport.stream import ByteStream
from drivers.transport.tcp_stream import TcpStream
from protocols.modbus.pdu import Request, Response
from protocols.modbus.tcp import PORT


class TcpLine(ModbusLine):
    """A drivers.base.Pipelined where `depth` is above 1."""

    def __init__(
        self, address: str, depth: int = 1, through: Callable[[ByteStream], ByteStream] = lambda stream: stream
    ) -> None:
        super().__init__(address)
        self.depth = depth
        stream = through(TcpStream(address, PORT))
        self._dialogue = TcpDialogue(address, depth)
        self._carrier = Carrier(stream, self._dialogue)

    @property
    def late(self) -> int:
        """Answers that came after their request was given up."""
        return self._dialogue.late

    async def open(self) -> None:
        await self._carrier.open()

    async def close(self) -> None:
        await self._carrier.close()

    def cost(self, unit: int, space: str) -> Cost:  # noqa: ARG002
        """Beside the device's own time that of a frame on an Ethernet is nothing."""
        return Cost(0.0, 0.0)

    def turnaround_ms(self, unit: int) -> float | None:
        """What the unit takes between request and answer, on average; None until it answered."""
        seconds = self._dialogue.turnaround_s(unit)
        return None if seconds is None else 1000 * seconds

    async def read(self, unit: int, span: Span, timeout: float) -> bytes:
        (answer,) = await self._ask((read_question(unit, span),), timeout)
        data = self._data(unit, answer)
        if isinstance(data, DeviceError):
            raise data
        return data

    async def read_many(self, asked: Sequence[tuple[int, Span]], timeout: float) -> list[bytes | DeviceError]:
        """What each (unit, span) gave, in their order. `timeout` is for each answer. Raises LineDown, and Nonsense
        where the connection can no longer be used."""
        if not asked:
            return []
        answers = await self._ask([read_question(unit, span) for unit, span in asked], timeout)
        return [
            answer if isinstance(answer, bytes) else self._data(unit, answer)
            for (unit, _), answer in zip(asked, answers, strict=True)
        ]

    async def exchange(self, unit: int, request: Request, timeout: float) -> Response:
        (answer,) = await self._ask((question(unit, request),), timeout)
        if isinstance(answer, DeviceError):
            raise answer
        assert not isinstance(answer, bytes)  # noqa: S101 - that is what a read_question gives
        return answer

    async def _ask(self, questions: Sequence[Question], timeout: float) -> list[Answer]:
        answers: list[Answer] = await self._carrier.run(self._dialogue.begin, questions, timeout)
        return answers

    def _data(self, unit: int, answer: Answer) -> bytes | DeviceError:
        return answer if isinstance(answer, bytes | DeviceError) else self.data_of(unit, answer)
