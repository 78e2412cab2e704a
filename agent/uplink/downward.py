"""What comes down, judged before anything acts on it. Pure."""

from collections.abc import Mapping

from protocols.edge.desired import Desired
from protocols.edge.envelope import Address, open_sealed, parse_topic
from protocols.edge.messages import Acknowledgement, Command
from protocols.errors import RemoteProtocolError

DOWNWARD = ("ack", "cmd")


class Refused(Exception):
    """Nothing of a message may be used; `cause` is a counter's name."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


def open_downward(
    gateway: str, keys: Mapping[bytes, bytes], incarnation: int, topic: str, payload: bytes, retained: bool
) -> Acknowledgement | Command | Desired:
    """The message, if it is one of ours, for this gateway, sealed under its key, and of this incarnation."""
    try:
        address = parse_topic(topic)
    except RemoteProtocolError as error:
        raise Refused("topic", str(error)) from None
    if address not in [Address(gateway, leaf) for leaf in DOWNWARD]:
        raise Refused("topic", f"{topic}: not for this gateway")
    if retained:
        raise Refused("retained", f"{topic}: a broker's store is no source of commands")
    try:
        message = open_sealed(address, payload, dict(keys)).message
    except RemoteProtocolError as error:
        raise Refused("seal", f"{topic}: {error}") from None
    if not isinstance(message, Acknowledgement | Command | Desired):
        raise Refused("kind", f"{topic}: {type(message).__name__} does not come down")
    if message.incarnation != incarnation:
        raise Refused("incarnation", f"{topic}: for incarnation {message.incarnation:016x}, not the present one")
    return message
