import asyncio
from decimal import Decimal

import pytest

from drivers.base import LineDown, Nonsense, Refused, Span, Unreachable
from drivers.modbus.tcp_line import TcpLine
from drivers.modbus.template import load_model
from protocols.modbus.frame import Frame
from protocols.modbus.pdu import ExceptionResponse, unpack_registers
from protocols.modbus.tcp import encode_tcp
from tests.drivers.modbus.conftest import FIRST_TWO, SocketPeer, answer, registers

LONG = 2.0


async def test_registers_are_read_and_a_write_is_read_back(tcp_line: TcpLine, tcp_peer: SocketPeer) -> None:
    assert unpack_registers(await tcp_line.read(1, Span("input", 7, 3), LONG)) == (7, 8, 9)
    relay = 1
    reading = await tcp_line.write(1, load_model("lamp_controller"), relay, Decimal(1), LONG)
    assert (reading.channel, reading.value) == (relay, 1)
    assert [frame.pdu[0] for frame in tcp_peer.requests] == [4, 5, 1]


async def test_a_late_reply_is_never_taken_for_the_next_answer(tcp_line: TcpLine, tcp_peer: SocketPeer) -> None:
    tcp_peer.script = lambda frame: [0.06, encode_tcp(answer(frame, 666))]
    with pytest.raises(Unreachable, match=r"unit 1: no answer within 0\.02 s"):
        await tcp_line.read(1, FIRST_TWO, 0.02)
    tcp_peer.script = lambda frame: [0.08, encode_tcp(answer(frame))]
    assert unpack_registers(await tcp_line.read(1, FIRST_TWO, LONG)) == (0, 1)
    assert tcp_line.late == 1


async def test_an_answer_in_pieces_is_read(tcp_line: TcpLine, tcp_peer: SocketPeer) -> None:
    def script(frame: Frame) -> list[bytes | float | None]:
        return [piece for byte in encode_tcp(answer(frame)) for piece in (bytes((byte,)), 0.002)]

    tcp_peer.script = script
    assert unpack_registers(await tcp_line.read(1, FIRST_TWO, LONG)) == (0, 1)


@pytest.mark.parametrize(
    ("unit", "pdu", "complaint"),
    [
        (2, registers(1, 2), "unit 1: unit 2 answered"),
        (1, registers(1, 2, 3), "4 bytes were asked, byte count 6"),
        (1, b"\x04" + registers(1, 2)[1:], "function 0x03 was asked"),
    ],
)
async def test_an_answer_to_something_else_is_nonsense(
    tcp_line: TcpLine, tcp_peer: SocketPeer, unit: int, pdu: bytes, complaint: str
) -> None:
    tcp_peer.script = lambda frame: [encode_tcp(Frame(unit, pdu, frame.transaction))]
    with pytest.raises(Nonsense, match=complaint):
        await tcp_line.read(1, FIRST_TWO, LONG)
    tcp_peer.script = lambda frame: [encode_tcp(answer(frame))]
    assert unpack_registers(await tcp_line.read(1, FIRST_TWO, LONG)) == (0, 1)


async def test_a_peer_that_does_not_speak_modbus_is_hung_up_on(tcp_line: TcpLine, tcp_peer: SocketPeer) -> None:
    tcp_peer.script = lambda _: [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
    with pytest.raises(Nonsense, match="not Modbus TCP"):
        await tcp_line.read(1, FIRST_TWO, LONG)
    with pytest.raises(LineDown, match="not Modbus TCP"):
        await tcp_line.read(1, FIRST_TWO, LONG)


async def test_a_connection_lost_in_the_middle_of_a_frame_is_told_and_made_again(
    tcp_line: TcpLine, tcp_peer: SocketPeer
) -> None:
    tcp_peer.script = lambda frame: [encode_tcp(answer(frame))[:6], 0.01, None]
    with pytest.raises(LineDown, match="connection lost"):
        await tcp_line.read(1, FIRST_TWO, LONG)
    tcp_peer.script = lambda frame: [encode_tcp(answer(frame))]
    await tcp_line.open()
    assert unpack_registers(await tcp_line.read(1, FIRST_TWO, LONG)) == (0, 1)


async def test_an_exception_is_a_refusal_with_its_code(tcp_line: TcpLine, tcp_peer: SocketPeer) -> None:
    tcp_peer.script = lambda frame: [encode_tcp(frame.reply(ExceptionResponse(3, 6).encode()))]
    with pytest.raises(Refused, match="server device busy") as caught:
        await tcp_line.read(1, FIRST_TWO, LONG)
    assert caught.value.code == 6


async def test_a_cancelled_call_leaves_the_line_usable(tcp_line: TcpLine, tcp_peer: SocketPeer) -> None:
    tcp_peer.script = lambda frame: [0.03, encode_tcp(answer(frame, 666))]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await tcp_line.read(1, FIRST_TWO, LONG)
    tcp_peer.script = lambda frame: [0.03, encode_tcp(answer(frame))]
    assert unpack_registers(await tcp_line.read(1, FIRST_TWO, LONG)) == (0, 1)


async def test_where_nobody_listens_the_line_is_down(tcp_peer: SocketPeer) -> None:
    server = await SocketPeer(encode_tcp, lambda: tcp_peer._decoder).listen()
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    line = TcpLine(f"127.0.0.1:{port}")
    with pytest.raises(LineDown, match=rf"127\.0\.0\.1:{port}: no connection"):
        await line.open()
    with pytest.raises(LineDown, match="not connected"):
        await line.read(1, FIRST_TWO, LONG)


async def test_transactions_start_again_behind_the_highest(tcp_line: TcpLine, tcp_peer: SocketPeer) -> None:
    tcp_line._dialogue._transaction = 0xFFFE
    for _ in range(3):
        await tcp_line.read(1, FIRST_TWO, LONG)
    assert [frame.transaction for frame in tcp_peer.requests] == [0xFFFF, 0, 1]


async def test_several_requests_are_under_way_at_once_and_each_has_its_own_answer(tcp_peer: SocketPeer) -> None:
    """The peer keeps three requests and answers them backwards."""
    kept: list[bytes] = []

    def script(frame: Frame) -> list[bytes | float | None]:
        kept.append(encode_tcp(answer(frame)))
        return [b"".join(reversed(kept))] if len(kept) == 3 else []

    tcp_peer.script = script
    line = TcpLine(f"127.0.0.1:{tcp_peer.port}", depth=3)
    await line.open()
    answers = await line.read_many([(1, Span("input", address, 2)) for address in (7, 20, 40)], LONG)
    assert [unpack_registers(one) for one in answers if isinstance(one, bytes)] == [(7, 8), (20, 21), (40, 41)]
    assert line.turnaround_ms(1) is not None
    await line.close()


async def test_of_several_requests_the_refused_and_the_silent_are_told_in_their_places(tcp_peer: SocketPeer) -> None:
    def script(frame: Frame) -> list[bytes | float | None]:
        if frame.unit == 2:
            return []
        refused = frame.pdu[2] == 10
        return [encode_tcp(frame.reply(ExceptionResponse(3, 2).encode()) if refused else answer(frame))]

    tcp_peer.script = script
    line = TcpLine(f"127.0.0.1:{tcp_peer.port}", depth=2)
    await line.open()
    asked = [(1, FIRST_TWO), (2, FIRST_TWO), (1, Span("holding", 10, 2)), (2, FIRST_TWO), (1, FIRST_TWO)]
    answers = await line.read_many(asked, 0.1)
    assert [type(one) for one in answers] == [bytes, Unreachable, Refused, Unreachable, bytes]
    assert [frame.unit for frame in tcp_peer.requests] == [1, 2, 1, 2, 1]
    await line.close()


async def test_a_connection_that_is_lost_under_several_requests_is_told_once(tcp_peer: SocketPeer) -> None:
    tcp_peer.script = lambda _: [None]
    line = TcpLine(f"127.0.0.1:{tcp_peer.port}", depth=2)
    await line.open()
    with pytest.raises(LineDown, match="connection lost"):
        await line.read_many([(1, FIRST_TWO)] * 3, LONG)
    assert await line.read_many([], LONG) == []
    await line.close()
