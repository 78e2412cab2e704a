import pytest

from drivers.base import Unreachable
from drivers.nbiot.socket import MOST_WAITING, ModemSocket
from protocols.at.dialect import Kind, Socket


class Module:
    def __init__(self, kind: Kind) -> None:
        self.sent: list[bytes] = []
        self.closed = 0
        self.socket = ModemSocket(Socket(0, kind, "h", 1), self.send, self.close, 4)

    async def send(self, _: Socket, data: bytes) -> None:
        self.sent.append(data)

    async def close(self, _: ModemSocket) -> None:
        self.closed += 1


async def test_a_stream_is_cut_to_what_the_module_takes_and_a_datagram_never() -> None:
    stream, datagram = Module(Kind.TCP), Module(Kind.UDP)
    await stream.socket.send(b"123456789")
    await datagram.socket.send(b"123456789")
    assert stream.sent == [b"1234", b"5678", b"9"]
    assert datagram.sent == [b"123456789"]


async def test_what_came_before_the_end_is_still_given_and_then_the_end_again_and_again() -> None:
    module = Module(Kind.TCP)
    module.socket.take(b"last")
    module.socket.end("closed by the other side")
    module.socket.take(b"after")
    assert await module.socket.receive() == b"last"
    for _ in range(2):
        with pytest.raises(Unreachable, match="closed by the other side"):
            await module.socket.receive()
    await module.socket.close()
    assert module.closed == 1  # the module is told all the same: its number is taken until then


async def test_what_nobody_takes_is_bounded_and_a_stream_ends_rather_than_miss_bytes() -> None:
    stream, datagram = Module(Kind.TCP), Module(Kind.UDP)
    for module in (stream, datagram):
        for _ in range(MOST_WAITING // 1024 + 5):
            module.socket.take(bytes(1024))
    assert "nobody takes them" in stream.socket.ended
    assert datagram.socket.ended == ""
    assert datagram.socket._bytes == MOST_WAITING
