"""What every framing of Modbus delivers: a PDU with its unit, and on TCP a transaction."""

from enum import Enum
from typing import Final, Literal, NamedTuple, TypeAlias


class Frame(NamedTuple):
    """`pdu` begins with the function code. `transaction` has a meaning on TCP only."""

    unit: int
    pdu: bytes
    transaction: int = 0

    def reply(self, pdu: bytes) -> "Frame":
        """The frame that answers this one."""
        return Frame(self.unit, pdu, self.transaction)


class _Need(Enum):
    NEED_DATA = "the frame at the head of the stream is not complete"


NEED_DATA: Final = _Need.NEED_DATA
NeedData: TypeAlias = Literal[_Need.NEED_DATA]
