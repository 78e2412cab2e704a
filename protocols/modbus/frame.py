"""What every framing of Modbus delivers: a PDU with its unit, and on TCP a transaction."""

from typing import NamedTuple

from protocols.stream import NEED_DATA as NEED_DATA
from protocols.stream import NeedData as NeedData


class Frame(NamedTuple):
    """`pdu` begins with the function code. `transaction` has a meaning on TCP only."""

    unit: int
    pdu: bytes
    transaction: int = 0

    def reply(self, pdu: bytes) -> "Frame":
        """The frame that answers this one."""
        return Frame(self.unit, pdu, self.transaction)
