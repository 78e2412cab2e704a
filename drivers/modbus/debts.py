"""Which answers a device still owes, and how to be sure that the next one is not one of them.

RTU answers carry no number. When a request was given up, its answer may still come, and if the next request to that
device expects the same function, framing cannot tell the two apart. But a device answers in order. So before such a
request we put a *fence*: a read of the same registers with another quantity, whose answer has another length. Once it
has come, nothing older can come any more. A dead device costs nothing extra, for its fence stands in for the request.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

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
Shape = tuple[int, int]  # function and length of the PDU that answers, unless it is an exception


def answer_length(request: Request) -> int:
    match request:
        case ReadBits():
            return 2 + (request.quantity + 7) // 8
        case ReadRegisters():
            return 2 + 2 * request.quantity
        case ReadWriteMultipleRegisters():
            return 2 + 2 * request.read_quantity
    return 5


def _shape(request: Request) -> Shape:
    return request.function, answer_length(request)


@dataclass
class _Debt:
    """`owed` are shapes of answers that may still come, those to fences among them; any may come as an exception.

    `fence` is the one to use: nothing but itself was given up since it was first sent, so that even the answer to an
    older copy of it proves that what it fences off is over. `refused` are functions whose fences met an exception.
    """

    since: float = 0.0
    owed: set[Shape] = field(default_factory=set)
    fence: Request | None = None
    refused: set[int] = field(default_factory=set)

    def owes_function(self, function: int) -> bool:
        return any(owed == function for owed, _ in self.owed)


class Debts:
    def __init__(self) -> None:
        self._units: dict[int, _Debt] = {}

    def incur(self, unit: int, request: Request, is_fence: bool, now: float) -> None:
        """`request` was sent and given up, at `now` seconds of any clock."""
        debt = self._units.setdefault(unit, _Debt())
        debt.since = now
        debt.owed.add(_shape(request))
        if not is_fence:
            debt.fence = None  # the next one must come after this request

    def settle(self, unit: int, request: Request, is_fence: bool, response: Response) -> bool:
        """The unit answered `request`, the latest: whatever was owed for older ones is lost, or was seen.

        False where that is not certain: an exception met a fence, and may be that of what is fenced off.
        """
        debt = self._units.get(unit)
        if debt is None:
            return True
        shape = _shape(request)
        if is_fence and isinstance(response, ExceptionResponse) and debt.owes_function(request.function):
            debt.owed.add(shape)
            debt.refused.add(request.function)
            debt.fence = None
            return False
        del self._units[unit]
        if is_fence and shape in debt.owed:
            # This may be the answer to an older copy, and the latest one's still to come. It harms nothing, for the
            # next answer has another length, but it must be known for what it is.
            self._units[unit] = _Debt(debt.since, {shape})
        return True

    def owes(self, unit: int, function: int, length: int) -> bool:
        """Whether an answer like this may be one that comes late. Exceptions are 2 bytes long."""
        debt = self._units.get(unit)
        if debt is None:
            return False
        return (function, length) in debt.owed or (length == 2 and debt.owes_function(function))

    def fence(self, unit: int, request: Request, now: float) -> Request | None:
        """What to ask before `request`; None when no answer that is owed can be mistaken for its own.

        An exception has one length only, so any debt of the same function calls for a fence. Raises Nonsense while
        answers of all tables are owed and exceptions met the fences, until FORGOTTEN_S after the last was given up.
        """
        debt = self._units.get(unit)
        if debt is None or not debt.owes_function(request.function):
            return None
        if debt.fence is None or _shape(debt.fence) == _shape(request):
            debt.fence = _choose(debt, request)
        if debt.fence is None:
            if now < debt.since + FORGOTTEN_S:
                raise Nonsense(
                    f"unit {unit}: late answers can no longer be told from new ones; it is left alone a while"
                )
            del self._units[unit]
            return None
        return debt.fence


def _choose(debt: _Debt, request: Request) -> Request | None:
    """A fence that no answer that is owed can be mistaken for; None if there is none left.

    First reads near `request`, which the device surely knows to answer. Where these meet exceptions, a read with a
    function that nothing is owed of: then even an exception is certain.
    """
    near = (fence for fence in _near(request) if fence.function not in debt.refused and _shape(fence) not in debt.owed)
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
