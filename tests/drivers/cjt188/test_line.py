"""The line against meters that are silent, late, garbled or of the other edition, on a pty and inside TCP."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.base import LineConfig, LineDown, Nonsense, NotSent, Refused, Span, Unreachable
from drivers.cjt188.line import Cjt188Line
from drivers.cjt188.template import load_model
from drivers.transport.serial_port import SerialPort
from drivers.transport.tcp_stream import TcpStream
from protocols.cjt188.frame import Frame, FrameDecoder, encode_frame
from protocols.cjt188.messages import METERING, Data, Refusal, parse_request, reply_frame
from tests.drivers.scripted import Scripted, on_a_pty, on_a_socket

METER, OTHER = "78330011223344", "78330011223345"
RECORD = Span("10", METERING, 1)
LONG, SHORT = 2.0, 0.06


def data(frame: Frame, content: bytes) -> bytes:
    return encode_frame(reply_frame(frame, Data(METERING, parse_request(frame).serial, content)))


def honest(frame: Frame) -> list[bytes | float]:
    return [data(frame, frame.data[2:3])]


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Scripted]:
    async with on_a_pty(Scripted(FrameDecoder(), honest), tmp_path) as made:
        yield made


@pytest.fixture
async def line(peer: Scripted) -> AsyncIterator[Cjt188Line]:
    made = Cjt188Line(SerialPort(LineConfig("cjt188", peer.address, baud=115200)))
    await made.open()
    yield made
    await made.close()


async def test_a_record_is_asked_of_its_type_and_requests_are_numbered(line: Cjt188Line, peer: Scripted) -> None:
    assert await line.read(METER, RECORD, LONG) == b"\x01"
    assert await line.read(METER, RECORD, LONG) == b"\x02"
    assert peer.heard == [
        Frame(0x10, METER, 0x01, bytes.fromhex("1F9001")),
        Frame(0x10, METER, 0x01, bytes.fromhex("1F9002")),
    ]


async def test_a_late_reply_is_never_taken_for_the_next_answer(line: Cjt188Line, peer: Scripted) -> None:
    def script(frame: Frame) -> list[bytes | float]:
        late = [data(peer.heard[0], b"\x66")] if len(peer.heard) == 2 else []
        return [] if len(peer.heard) == 1 else [*late, 0.01, *honest(frame)]

    assert await line.read(METER, RECORD, LONG) == b"\x01"
    peer.heard.clear()
    peer.script = script
    with pytest.raises(Unreachable, match=rf"meter {METER}: no answer within 0\.06 s"):
        await line.read(METER, RECORD, SHORT)
    assert await line.read(METER, RECORD, LONG) == b"\x03"
    assert line.late == 1


async def test_an_answer_with_a_number_nobody_asked_is_nonsense(line: Cjt188Line, peer: Scripted) -> None:
    peer.script = lambda frame: [data(frame._replace(data=b"\x1f\x90\x77"), b"\x66")]
    with pytest.raises(Nonsense, match="number 01 was asked, 77 came"):
        await line.read(METER, RECORD, SHORT)


async def test_a_meter_that_answers_twice_misleads_nobody(line: Cjt188Line, peer: Scripted) -> None:
    peer.script = lambda frame: 2 * honest(frame)
    assert [await line.read(METER, RECORD, LONG) for _ in range(4)] == [b"\x01", b"\x02", b"\x03", b"\x04"]


async def test_numbers_begin_again_behind_255(line: Cjt188Line, peer: Scripted) -> None:
    answers = [await line.read(METER, RECORD, LONG) for _ in range(258)]
    assert answers[253:] == [b"\xfe", b"\xff", b"\x00", b"\x01", b"\x02"]


@pytest.mark.parametrize("how", ["silence", "refusal"])
async def test_a_meter_of_the_other_edition_is_found_and_its_order_kept(
    line: Cjt188Line, peer: Scripted, how: str
) -> None:
    def script(frame: Frame) -> list[bytes | float]:
        if frame.data[:2] == b"\x90\x1f":
            return honest(frame)
        serial = frame.data[2]
        return [] if how == "silence" else [encode_frame(reply_frame(frame, Refusal(serial, bytes(2))))]

    peer.script = script
    with pytest.raises(Unreachable if how == "silence" else Refused):
        await line.read(METER, RECORD, SHORT)
    assert await line.read(METER, RECORD, LONG) == b"\x02"
    peer.script = lambda _: []
    with pytest.raises(Unreachable):
        await line.read(METER, RECORD, SHORT)
    peer.script = script
    assert await line.read(METER, RECORD, LONG) == b"\x04"


async def test_a_refusal_is_never_one_for_good(line: Cjt188Line, peer: Scripted) -> None:
    peer.script = lambda frame: [encode_frame(reply_frame(frame, Refusal(frame.data[2], b"\x02\x00")))]
    with pytest.raises(Refused, match=f"meter {METER}: refused with status 02 00") as caught:
        await line.read(METER, RECORD, LONG)
    assert caught.value.code != 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"address": OTHER}, f"meter {OTHER} of type 10 answered"),
        ({"type": 0x30}, f"meter {METER} of type 30 answered"),
    ],
)
async def test_an_answer_of_another_meter_is_passed_over_and_told(
    line: Cjt188Line, peer: Scripted, change: dict[str, str], complaint: str
) -> None:
    peer.script = lambda frame: [data(frame._replace(**change), b"\x66"), *honest(frame)]
    assert await line.read(METER, RECORD, LONG) == b"\x01"
    peer.script = lambda frame: [data(frame._replace(**change), b"\x66")]
    with pytest.raises(Nonsense, match=complaint):
        await line.read(METER, RECORD, SHORT)


async def test_an_answer_in_pieces_and_behind_noise_is_read(line: Cjt188Line, peer: Scripted) -> None:
    def script(frame: Frame) -> list[bytes | float]:
        return [piece for byte in b"\x00\x68\xff" + data(frame, b"\x07") for piece in (bytes((byte,)), 0.002)]

    peer.script = script
    assert await line.read(METER, RECORD, LONG) == b"\x07"


async def test_a_wrong_sum_is_nonsense_and_the_next_request_works(line: Cjt188Line, peer: Scripted) -> None:
    peer.script = lambda frame: [data(frame, b"\x07")[:-2] + b"\x00\x16"]
    with pytest.raises(Nonsense, match=f"meter {METER}: sum 0x00, computed 0x"):
        await line.read(METER, RECORD, LONG)
    peer.script = honest
    assert await line.read(METER, RECORD, LONG) == b"\x02"


async def test_nothing_is_ever_written_to_a_meter(line: Cjt188Line, peer: Scripted) -> None:
    with pytest.raises(NotSent, match="total cannot be written; nothing was sent"):
        await line.write(METER, load_model("water_meter"), 0, Decimal(1), LONG)
    assert peer.heard == []


async def test_a_lost_connection_is_the_lines_fault_and_it_opens_again() -> None:
    side = Scripted(FrameDecoder(), honest)

    def hang_up(_: Frame) -> list[bytes | float]:
        side.hang_up()
        return []

    async with on_a_socket(side):
        line = Cjt188Line(TcpStream(side.address))
        with pytest.raises(LineDown, match="not open"):
            await line.read(METER, RECORD, LONG)
        await line.open()
        assert await line.read(METER, RECORD, LONG) == b"\x02"
        side.script = hang_up
        with pytest.raises(LineDown, match="connection lost"):
            await line.read(METER, RECORD, LONG)
        side.script = honest
        await line.open()
        assert await line.read(METER, RECORD, LONG) == b"\x04"
        await line.close()
