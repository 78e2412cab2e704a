"""A gateway's trace played again: to each request the bytes that came after it in the field, in the same time.

The bytes, not the values: wrong sums, late answers and stray bytes come as they came. Nothing is understood here but
where a request of Modbus TCP holds its transaction, which is each client's own.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import NamedTuple

from protocols.modbus.tcp import HEADER_BYTES
from protocols.trace import Gap, Piece, Recording
from sim_devices.clock import Now
from sim_devices.faults import Send
from sim_devices.models.base import Device, Unit

TRANSACTION = 2  # bytes, first in a frame of Modbus TCP
STEP_S = 0.05
SAME_US = 20_000  # what we sent in two pieces closer than that is one request


class Reply(NamedTuple):
    """`asked` is the request in full, as it was recorded."""

    asked: bytes
    sends: tuple[Send, ...]


class Script:
    """What is played. `unasked` is what came with nothing asked before it, from the first byte on."""

    def __init__(self, recording: Recording) -> None:
        self.on_tcp = recording.about.driver == "modbus-tcp"
        self.replies: dict[bytes, list[Reply]] = defaultdict(list)
        unasked: list[Piece] = []
        asked: list[Piece] = []
        heard: list[Piece] = []
        for entry in recording.entries:
            if isinstance(entry, Gap):
                self._keep(asked, heard)
                asked, heard = [], []
            elif isinstance(entry, Piece) and entry.sent:
                if heard or (asked and entry.t_us - asked[-1].t_us > SAME_US):
                    self._keep(asked, heard)
                    asked, heard = [], []
                asked.append(entry)
            elif isinstance(entry, Piece) and asked:
                heard.append(entry)
            elif isinstance(entry, Piece):
                unasked.append(entry)
        if heard:  # the last request may have been answered after the recording ended
            self._keep(asked, heard)
        begin = unasked[0].t_us if unasked else 0
        self.unasked = [] if self.replies else [Send((one.t_us - begin) / 1e6, one.data) for one in unasked]

    def _keep(self, asked: list[Piece], heard: list[Piece]) -> None:
        if not asked:
            return
        request = b"".join(piece.data for piece in asked)
        sends = tuple(Send((piece.t_us - asked[-1].t_us) / 1e6, piece.data) for piece in heard)
        self.replies[self.key(request)].append(Reply(request, sends))

    def key(self, request: bytes) -> bytes:
        return request[TRANSACTION:] if self.on_tcp else request

    @property
    def exchanges(self) -> int:
        return sum(map(len, self.replies.values()))


class Player:
    """The slaves of a line that knows no device. `unknown` counts requests that the recording does not have."""

    def __init__(self, script: Script) -> None:
        self.units: Mapping[Unit, Device] = {}
        self.requests: Mapping[str, int] = {}
        self.unknown = 0
        self._script = script
        self._turns = {request: deque(replies) for request, replies in script.replies.items()}

    def converse(self, kind: str) -> "Playing":  # noqa: ARG002
        return Playing(self, self._script)

    def next_reply(self, request: bytes) -> Reply | None:
        """In the order of the recording, and from its beginning again."""
        turns = self._turns.get(request)
        if turns is None:
            self.unknown += 1
            return None
        turns.rotate(-1)
        return turns[-1]


class Playing:
    """One client: a sim_devices.conversation.Conversation, and a Speaker of what came unasked."""

    def __init__(self, player: Player, script: Script) -> None:
        self._player = player
        self._script = script
        self._longest_first = sorted(script.replies, key=len, reverse=True)
        self._buffer = b""
        self.every_s = STEP_S if script.unasked else 0.0
        self._steps = 0

    def receive(self, data: bytes, now: Now) -> list[Send]:  # noqa: ARG002
        self._buffer += data
        sends: list[Send] = []
        while (request := self._take()) is not None:
            reply = self._player.next_reply(self._script.key(request))
            if reply is not None:
                sends += (self._addressed(send, request, reply.asked) for send in reply.sends)
        return sends

    def idle(self, now: Now) -> list[Send]:  # noqa: ARG002
        """What nobody ever asked is forgotten."""
        if self._buffer:
            self._player.unknown += 1
        self._buffer = b""
        return []

    def speak(self, now: Now) -> list[Send]:  # noqa: ARG002
        """What is due until the next time; over and over, with a second in between."""
        unasked = self._script.unasked
        begin = self._steps * STEP_S
        self._steps = 0 if begin > unasked[-1].after + 1.0 else self._steps + 1
        return [send._replace(after=send.after - begin) for send in unasked if begin <= send.after < begin + STEP_S]

    def _take(self) -> bytes | None:
        """The request at the head of what was received; None until there is one."""
        if self._script.on_tcp:
            if len(self._buffer) < HEADER_BYTES:
                return None
            length = HEADER_BYTES - 1 + int.from_bytes(self._buffer[4:6], "big")
            if len(self._buffer) < length:
                return None
        else:
            known = next((known for known in self._longest_first if self._buffer.startswith(known)), None)
            if known is None:
                return None
            length = len(known)
        request, self._buffer = self._buffer[:length], self._buffer[length:]
        return request

    def _addressed(self, send: Send, request: bytes, asked: bytes) -> Send:
        """On Modbus TCP an answer to the transaction that was recorded becomes one to the client's."""
        if self._script.on_tcp and send.data.startswith(asked[:TRANSACTION]):
            return send._replace(data=request[:TRANSACTION] + send.data[TRANSACTION:])
        return send
