"""Which answers a device still owes, and how to be sure that the next one is not one of them.

RTU answers carry no number. When a request was given up, its answer may still come, and if the next request to that
device expects the same function, framing cannot tell the two apart. But a device answers in order. So before such a
request we put a *fence*: a read of the same registers with another quantity, whose answer has another length. Once it
has come, nothing older can come any more. A dead device costs nothing extra, for its fence stands in for the request.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from drivers.base import Nonsense
from drivers.modbus.registers import READ_FUNCTIONS, Table
from protocols.modbus.pdu import (
    BIT_READS,
    MAX_READ_REGISTERS,
    ExceptionResponse,
    ReadBits,
    ReadRegisters,
    ReadWriteMultipleRegisters,
    Request,
    Response,
    WriteMultipleCoils,
    WriteSingleCoil,
)

FORGOTTEN_S = 10.0  # no serial device, radio or terminal server holds an answer for so long
IGNORES = 2  # times in a row that fences met silence and the request behind them did not: the unit answers no fence
EXCEPTION = 2  # bytes of its PDU
Shape = tuple[int, int]  # function and length of the PDU that answers, unless it is an exception


class Owed(NamedTuple):
    """`answers` of one shape in a row. `since` is when the first one's request had left the wire, `last` the last's."""

    shape: Shape
    since: float
    last: float
    answers: int = 1


def answer_length(request: Request) -> int:
    match request:
        case ReadBits():
            return 2 + (request.quantity + 7) // 8
        case ReadRegisters():
            return 2 + 2 * request.quantity
        case ReadWriteMultipleRegisters():
            return 2 + 2 * request.read_quantity
    return 5


def _answers(shape: Shape, function: int, length: int) -> bool:
    return shape[0] == function and length in (shape[1], EXCEPTION)


def _shape(request: Request) -> Shape:
    return request.function, answer_length(request)


@dataclass
class _Debt:
    """`owed` are the answers that may still come, in their requests' order, those to fences among them; any may come
    as an exception.

    `fence` is the one to use: nothing but itself was given up since it was first sent, so that even the answer to an
    older copy of it proves that what it fences off is over. `refused` are functions whose fences met an exception;
    `ignored` tells that one met silence, since another request was given up.
    """

    since: float = 0.0
    owed: list[Owed] = field(default_factory=list)
    fence: Request | None = None
    refused: set[int] = field(default_factory=set)
    ignored: bool = False

    def owe(self, shape: Shape, since: float) -> None:
        if self.owed and self.owed[-1].shape == shape:
            self.owed[-1] = self.owed[-1]._replace(answers=self.owed[-1].answers + 1, last=since)
        else:
            self.owed.append(Owed(shape, since, since))

    def owes_function(self, function: int) -> bool:
        return any(owed.shape[0] == function for owed in self.owed)

    def owes_shape(self, shape: Shape) -> bool:
        return any(owed.shape == shape for owed in self.owed)


class Debts:
    def __init__(self) -> None:
        self._units: dict[int, _Debt] = {}
        self._ignored: dict[int, int] = {}  # by unit: how often in a row its fences met silence alone

    def ignores_fences(self, unit: int) -> bool:
        """Some devices answer nothing but reads of what they know, and are silent to all others."""
        return self._ignored.get(unit, 0) >= IGNORES

    def incur(self, unit: int, request: Request, is_fence: bool, since: float) -> None:
        """`request` was given up, having left the wire at `since` seconds of any clock."""
        debt = self._units.setdefault(unit, _Debt())
        debt.since = since
        debt.owe(_shape(request), since)
        debt.ignored = is_fence
        if not is_fence:
            debt.fence = None  # the next one must come after this request

    def settle(self, unit: int, request: Request, is_fence: bool, response: Response) -> bool:
        """The unit answered `request`, the latest: whatever was owed for older ones is lost, or was seen.

        False where that is not certain: an exception met a fence, and may be that of what is fenced off.
        """
        debt = self._units.get(unit)
        if debt is None:
            return True
        if is_fence:
            self._ignored.pop(unit, None)
        elif debt.ignored:
            self._ignored[unit] = self._ignored.get(unit, 0) + 1
        shape = _shape(request)
        if is_fence and isinstance(response, ExceptionResponse) and debt.owes_function(request.function):
            debt.owe(shape, debt.since)
            debt.refused.add(request.function)
            debt.fence = None
            return False
        del self._units[unit]
        if is_fence and debt.owes_shape(shape):
            # This may be the answer to an older copy, and those to later ones still to come. They harm nothing, for
            # the next answer has another length, but must be known for what they are.
            owed = sum(owed.answers for owed in debt.owed if owed.shape == shape)
            self._units[unit] = _Debt(debt.since, [Owed(shape, debt.since, debt.since, owed)])
        return True

    def came(self, unit: int, function: int, length: int) -> Owed | None:
        """An answer like this came late: it, and what was owed for requests before its own, is owed no more.

        Of several that it may be it is taken for the first, so that nothing is forgotten which may still come. The one
        that it was, where only one was owed.
        """
        debt = self._units.get(unit)
        if debt is None:
            return None
        like = [at for at, owed in enumerate(debt.owed) if _answers(owed.shape, function, length)]
        if not like:
            return None
        first = debt.owed[like[0]]
        debt.owed[: like[0] + 1] = [first._replace(answers=first.answers - 1)] if first.answers > 1 else []
        if not debt.owed:
            del self._units[unit]
        return first if len(like) == 1 and first.answers == 1 else None

    def owes(self, unit: int, function: int, length: int) -> bool:
        """Whether an answer like this may be one that comes late. Exceptions are 2 bytes long."""
        debt = self._units.get(unit)
        if debt is None:
            return False
        return any(_answers(owed.shape, function, length) for owed in debt.owed)

    def fence(self, unit: int, request: Request, now: float, avoid: Shape | None = None) -> Request | None:
        """What to ask before `request`; None when no answer that is owed can be mistaken for its own. Its answer has
        not the shape `avoid` either.

        An exception has one length only, so any debt of the same function calls for a fence. But where one met silence,
        and no answer of this shape can be owed any more, `request` itself is asked: a device that never answers the
        fence is not lost by it. Raises Nonsense while answers of all tables are owed and exceptions met the fences,
        until FORGOTTEN_S after the last was given up.
        """
        debt = self._units.get(unit)
        if debt is None or not debt.owes_function(request.function):
            return None
        if debt.ignored:
            debt.owed = [owed for owed in debt.owed if now < owed.last + FORGOTTEN_S]
            if not debt.owes_shape(_shape(request)):
                return None
        if debt.fence is None or _shape(debt.fence) in (_shape(request), avoid):
            debt.fence = _choose(debt, request, avoid)
        if debt.fence is None:
            if now < debt.since + FORGOTTEN_S:
                raise Nonsense(
                    f"unit {unit}: late answers can no longer be told from new ones; it is left alone a while"
                )
            del self._units[unit]
            return None
        return debt.fence


def _choose(debt: _Debt, request: Request, avoid: Shape | None) -> Request | None:
    """A fence that no answer that is owed can be mistaken for; None if there is none left.

    First reads near `request`, which the device surely knows to answer. Where these meet exceptions, a read with a
    function that nothing is owed of: then even an exception is certain.
    """
    near = (
        fence
        for fence in _near(request)
        if fence.function not in debt.refused and _shape(fence) != avoid and not debt.owes_shape(_shape(fence))
    )
    others = (
        (ReadBits if table.is_bits else ReadRegisters)(function, 0, 1)
        for table, function in READ_FUNCTIONS.items()
        if function != request.function and not debt.owes_function(function)
    )
    return next(chain(near, others), None)


def _near(request: Request) -> Iterator[ReadBits | ReadRegisters]:
    """Reads with answers of different lengths: of fewer addresses first, which surely exist."""
    match request:
        case ReadBits(function, address, quantity):
            length = (quantity + 7) // 8
        case ReadRegisters(function, address, quantity):
            length = quantity
        case WriteSingleCoil(address) | WriteMultipleCoils(address):
            function, length = READ_FUNCTIONS[Table.COIL], 0
        case ReadWriteMultipleRegisters(address):
            function, length = READ_FUNCTIONS[Table.HOLDING], 0
        case _:
            address, function, length = request.address, READ_FUNCTIONS[Table.HOLDING], 0
    for other in chain(range(length - 1, 0, -1), range(length + 1, MAX_READ_REGISTERS + 1)):
        if function in BIT_READS:
            yield ReadBits(function, min(address, 0x10000 - 8 * other), 8 * other)
        else:
            yield ReadRegisters(function, min(address, 0x10000 - other), other)
