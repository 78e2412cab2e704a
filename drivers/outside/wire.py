"""Messages between the gateway and a driver's child: CBOR behind a length of four bytes, big-endian.

To the child: [number, verb, argument, ...]. From it: [number, "ok", result] or [number, kind of error, text, code].
"""

import cbor2

from protocols.edge.cbor import load_one
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.stream import NEED_DATA, NeedData

HEAD = 4
MAX_BYTES = 1 << 20  # the description of a model with hundreds of channels takes a tenth of it

OK = "ok"
PING, CANCEL = "ping", "cancel"


def encode(message: list[object]) -> bytes:
    """Raises LocalProtocolError for what CBOR does not carry, or what is too long."""
    try:
        payload = cbor2.dumps(message)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise LocalProtocolError(f"cannot be handed over: {error}") from None
    if len(payload) > MAX_BYTES:
        raise LocalProtocolError(f"cannot be handed over: {len(payload)} bytes, and at most {MAX_BYTES} are")
    return len(payload).to_bytes(HEAD, "big") + payload


class Decoder:
    """Bytes in, messages out. After an error it is of no more use."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)

    def receive_data(self, data: bytes) -> None:
        self._data += data

    def next_message(self) -> list[object] | NeedData:
        """Raises RemoteProtocolError for what is no array of a number, a text and more, or too long."""
        if len(self._data) < HEAD:
            return NEED_DATA
        length = int.from_bytes(self._data[:HEAD], "big")
        if length > MAX_BYTES:
            raise RemoteProtocolError(f"a message of {length} bytes, and at most {MAX_BYTES} are allowed")
        if len(self._data) < HEAD + length:
            return NEED_DATA
        item = load_one(bytes(self._data[HEAD : HEAD + length]))
        del self._data[: HEAD + length]
        match item:
            case [int(), str(), *_] if type(item) is list:
                return item
        raise RemoteProtocolError("a message is an array of a number, a text and what belongs to it")
