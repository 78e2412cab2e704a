"""Modbus on TCP: the MBAP header (Modbus Messaging on TCP/IP 1.0b, section 3.1.3)."""

from struct import Struct

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.modbus.frame import NEED_DATA, Frame, NeedData
from protocols.modbus.pdu import MAX_PDU

PORT = 502
_HEADER = Struct(">HHHB")  # transaction, protocol (0), length of what follows, unit
HEADER_BYTES = _HEADER.size


def encode_tcp(frame: Frame) -> bytes:
    if not 1 <= len(frame.pdu) <= MAX_PDU:
        raise LocalProtocolError(f"a PDU has 1..{MAX_PDU} bytes, not {len(frame.pdu)}")
    if not (0 <= frame.unit <= 0xFF and 0 <= frame.transaction <= 0xFFFF):
        raise LocalProtocolError(f"unit {frame.unit} or transaction {frame.transaction} is out of range")
    return _HEADER.pack(frame.transaction, 0, len(frame.pdu) + 1, frame.unit) + frame.pdu


class TcpDecoder:
    """Frames of one connection; requests and responses look alike here, so both sides use it.

    TCP loses and adds nothing: a header that cannot be means that the peer is not, or no longer, speaking Modbus.
    There is no place to go on from, so `next_frame` raises RemoteProtocolError then and ever after; close the
    connection. The header bounds a frame to 260 bytes, which bounds the memory of a caller who takes frames out.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether all that was received has been given out as frames."""
        return not self._buffer

    def receive_data(self, data: bytes) -> None:
        self._buffer += data

    def next_frame(self) -> Frame | NeedData:
        if len(self._buffer) < _HEADER.size:
            return NEED_DATA
        transaction, protocol, length, unit = _HEADER.unpack_from(self._buffer)
        if protocol != 0 or not 2 <= length <= MAX_PDU + 1:
            raise RemoteProtocolError(
                f"not Modbus TCP: protocol {protocol}, length {length} in {self._buffer[:8].hex(' ')}"
            )
        end = _HEADER.size - 1 + length
        if len(self._buffer) < end:
            return NEED_DATA
        pdu = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        return Frame(unit, pdu, transaction)
