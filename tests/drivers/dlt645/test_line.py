"""The line against meters that are silent, late, garbled, slow of speech or gone, on a pty and inside TCP."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from dlt645 import MeterServerService  # type: ignore[import-untyped]

from agent.bus.device import Device, Reader
from drivers.base import LineConfig, LineDown, Nonsense, NotSent, Reading, Refused, Span, Unreachable
from drivers.dlt645.family import OVER_TCP, SERIAL
from drivers.dlt645.line import Dlt645Line
from drivers.dlt645.model import MeterModel
from drivers.dlt645.template import load_model
from drivers.transport.serial_port import SerialPort
from drivers.transport.tcp_stream import TcpStream
from protocols.dlt645.frame import Frame, FrameDecoder, encode_frame
from protocols.dlt645.messages import Data, Failure, ReadNext, Refusal, parse_request, reply_frame
from protocols.quality import Quality
from tests.drivers.scripted import Scripted, on_a_pty, on_a_socket

METER, OTHER = "558890213594", "558890213595"
ENERGY, VOLTAGE, CURRENT = Span("00010000", 0, 1), Span("02010100", 0, 1), Span("02020100", 0, 1)
BLOCK = Span("0201..00", 1, 3)
LONG, SHORT = 2.0, 0.06


def data(frame: Frame, content: bytes, *, more: bool = False) -> bytes:
    request = parse_request(frame)
    assert not hasattr(request, "address")
    sequence = request.sequence if isinstance(request, ReadNext) else None
    return encode_frame(reply_frame(frame, Data(int.from_bytes(frame.data[:4], "little"), content, more), sequence))


def honest(frame: Frame) -> list[bytes | float]:
    """The data of an identifier are its own bytes."""
    return [data(frame, frame.data[:4])]


def refused(frame: Frame, failure: int = Failure.NO_SUCH_DATA) -> bytes:
    return encode_frame(reply_frame(frame, Refusal(failure)))


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Scripted]:
    async with on_a_pty(Scripted(FrameDecoder(), honest), tmp_path) as made:
        yield made


@pytest.fixture
async def line(peer: Scripted) -> AsyncIterator[Dlt645Line]:
    made = Dlt645Line(SerialPort(LineConfig("dlt645", peer.address, baud=115200)))
    await made.open()
    yield made
    await made.close()


async def test_a_datum_is_asked_with_its_low_byte_first_and_its_bytes_come_back(
    line: Dlt645Line, peer: Scripted
) -> None:
    assert await line.read(METER, VOLTAGE, LONG) == bytes.fromhex("00010102")
    assert await line.read(METER, BLOCK, LONG) == bytes.fromhex("00FF0102")
    assert peer.heard == [Frame(METER, 0x11, bytes.fromhex("00010102")), Frame(METER, 0x11, bytes.fromhex("00FF0102"))]


async def test_a_silent_meter_is_unreachable_with_its_address(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda _: []
    with pytest.raises(Unreachable, match=rf"meter {METER}: no answer within 0\.06 s") as caught:
        await line.read(METER, VOLTAGE, SHORT)
    assert not isinstance(caught.value, LineDown)


@pytest.mark.parametrize(("failure", "code"), [(0x02, 2), (0x06, 2), (0x01, 1), (0x04, 4)])
async def test_a_refusal_is_one_with_its_reason(line: Dlt645Line, peer: Scripted, failure: int, code: int) -> None:
    peer.script = lambda frame: [refused(frame, failure)]
    with pytest.raises(Refused, match=rf"meter {METER}: error {failure:02X} \(.+\) to data 02010100") as caught:
        await line.read(METER, VOLTAGE, LONG)
    assert caught.value.code == code


async def test_a_block_that_is_refused_for_any_reason_is_to_be_split(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda frame: [refused(frame, Failure.OTHER)]
    with pytest.raises(Refused) as caught:
        await line.read(METER, BLOCK, LONG)
    assert caught.value.code == 2


async def test_a_late_refusal_is_never_taken_for_one_of_the_next_datum(line: Dlt645Line, peer: Scripted) -> None:
    """A refusal does not say what it refuses."""

    def script(frame: Frame) -> list[bytes | float]:
        if len(peer.heard) == 1:
            return []
        if len(peer.heard) == 2:
            return [refused(frame), 0.01, *honest(frame)]
        return honest(frame)

    peer.script = script
    with pytest.raises(Unreachable):
        await line.read(METER, VOLTAGE, SHORT)
    assert await line.read(METER, ENERGY, LONG) == bytes.fromhex("00000100")


async def test_a_refusal_that_came_twice_for_one_datum_does_not_harm_the_next(line: Dlt645Line, peer: Scripted) -> None:
    def script(frame: Frame) -> list[bytes | float]:
        if frame.data == bytes.fromhex("00010102"):
            return [2 * refused(frame)]
        return [refused(frame), 0.01, *honest(frame)] if len(peer.heard) == 3 else honest(frame)

    peer.script = script
    with pytest.raises(Refused):
        await line.read(METER, VOLTAGE, LONG)
    assert await line.read(METER, ENERGY, LONG) == bytes.fromhex("00000100")


@pytest.mark.parametrize("span", [VOLTAGE, ENERGY, BLOCK])
async def test_a_late_reply_is_never_taken_for_the_next_answer(line: Dlt645Line, peer: Scripted, span: Span) -> None:
    """The first answer comes while the second request is under way, be it about the same datum."""
    assert await line.read(METER, CURRENT, LONG)
    asked: list[Frame] = []

    def script(frame: Frame) -> list[bytes | float]:
        asked.append(frame)
        if len(asked) == 1:
            return []
        late = [data(asked[0], b"\x66\x66")] if len(asked) == 2 else []
        return [*late, 0.01, *honest(frame)]

    peer.script = script
    with pytest.raises(Unreachable):
        await line.read(METER, VOLTAGE, SHORT)
    assert await line.read(METER, span, LONG) != b"\x66\x66"
    assert line.late == 1


class SlowMeter:
    """Answers in order, each request after a random time that may exceed the client's patience; counts them."""

    def __init__(self, peer: Scripted, seed: int) -> None:
        self.asked = 0
        self._peer = peer
        self._random = random.Random(seed)
        self._queue: deque[bytes] = deque()
        peer.script = self.script

    def script(self, frame: Frame) -> list[bytes | float]:
        self.asked += 1
        idle = not self._queue
        self._queue.append(data(frame, frame.data[:4] + self.asked.to_bytes(2, "big")))
        if idle:
            asyncio.get_running_loop().call_later(self._random.choice([0.0, 0.001, 0.03, 0.06]), self._send)
        return []

    def _send(self) -> None:
        self._peer.sends(self._queue.popleft())
        if self._queue:
            asyncio.get_running_loop().call_later(self._random.choice([0.0, 0.01, 0.04]), self._send)


@pytest.mark.parametrize("seed", range(3))
async def test_every_answer_of_a_meter_that_is_slow_at_random_is_its_own(
    line: Dlt645Line, peer: Scripted, seed: int
) -> None:
    meter = SlowMeter(peer, seed)
    chosen = random.Random(seed + 100)
    answered = 0
    for _ in range(300):
        if meter.asked >= 30 and answered >= 3:  # a busy machine may need more requests for that
            break
        span = chosen.choice([VOLTAGE, VOLTAGE, ENERGY, CURRENT])
        try:
            raw = await line.read(METER, span, 0.025)
        except Unreachable:
            continue
        answered += 1
        assert raw[:4] == int(span.space, 16).to_bytes(4, "little")
        assert int.from_bytes(raw[4:], "big") == meter.asked
    assert answered >= 3


async def test_a_meter_that_answers_twice_misleads_nobody(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda frame: 2 * honest(frame)
    for span in (VOLTAGE, ENERGY, VOLTAGE, CURRENT):
        assert await line.read(METER, span, LONG) == int(span.space, 16).to_bytes(4, "little")


async def test_an_answer_of_another_meter_is_passed_over_and_told(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda frame: [data(frame._replace(address=OTHER), b"\x66"), *honest(frame)]
    assert await line.read(METER, VOLTAGE, LONG) == bytes.fromhex("00010102")
    peer.script = lambda frame: [data(frame._replace(address=OTHER), b"\x66")]
    with pytest.raises(Nonsense, match=f"meter {METER}: meter {OTHER} answered"):
        await line.read(METER, VOLTAGE, SHORT)


async def test_an_adapter_that_echoes_what_is_sent_does_no_harm(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda frame: [encode_frame(frame), *honest(frame)]
    assert await line.read(METER, VOLTAGE, LONG) == bytes.fromhex("00010102")


async def test_an_answer_in_pieces_and_behind_noise_is_read(line: Dlt645Line, peer: Scripted) -> None:
    def script(frame: Frame) -> list[bytes | float]:
        return [piece for byte in b"\x00\x68\xff" + data(frame, b"\x07") for piece in (bytes((byte,)), 0.002)]

    peer.script = script
    assert await line.read(METER, VOLTAGE, LONG) == b"\x07"


async def test_a_wrong_sum_is_nonsense_before_the_timeout_and_the_next_request_works(
    line: Dlt645Line, peer: Scripted
) -> None:
    peer.script = lambda frame: [data(frame, b"\x07")[:-2] + b"\x00\x16"]
    started = asyncio.get_running_loop().time()
    with pytest.raises(Nonsense, match=f"meter {METER}: sum 0x00, computed 0x"):
        await line.read(METER, VOLTAGE, LONG)
    assert asyncio.get_running_loop().time() - started < LONG
    peer.script = honest
    assert await line.read(METER, ENERGY, LONG) == bytes.fromhex("00000100")


async def test_data_in_several_frames_come_as_one(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda frame: [data(frame, bytes((len(peer.heard),)), more=len(peer.heard) < 4)]
    assert await line.read(METER, BLOCK, LONG) == b"\x01\x02\x03\x04"
    assert [(frame.control, frame.data[4:]) for frame in peer.heard] == [
        (0x11, b""),
        (0x12, b"\x01"),
        (0x12, b"\x02"),
        (0x12, b"\x03"),
    ]


async def test_data_that_never_end_are_given_up(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda frame: [data(frame, b"\x01", more=True)]
    with pytest.raises(Nonsense, match="data 0201FF00 never ends"):
        await line.read(METER, BLOCK, LONG)


async def test_nothing_is_ever_written_to_a_meter(line: Dlt645Line, peer: Scripted) -> None:
    with pytest.raises(NotSent, match="energy cannot be written; nothing was sent"):
        await line.write(METER, load_model("dlt645_meter_1p"), 0, Decimal(1), LONG)
    assert peer.heard == []


async def test_a_call_that_is_cancelled_leaves_the_line_usable(line: Dlt645Line, peer: Scripted) -> None:
    peer.script = lambda _: []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.read(METER, VOLTAGE, LONG), SHORT)
    peer.script = honest
    assert await line.read(METER, ENERGY, LONG) == bytes.fromhex("00000100")


async def test_a_lost_connection_is_the_lines_fault_and_it_opens_again() -> None:
    async with on_a_socket(Scripted(FrameDecoder(), lambda _: [])) as peer:
        line = Dlt645Line(TcpStream(peer.address))
        with pytest.raises(LineDown, match="not open"):
            await line.read(METER, VOLTAGE, LONG)
        await line.open()
        asyncio.get_running_loop().call_later(SHORT, lambda: peer.hang_up())
        with pytest.raises(LineDown, match="connection lost"):
            await line.read(METER, VOLTAGE, LONG)
        peer.script = honest
        await line.open()
        assert await line.read(METER, VOLTAGE, LONG) == bytes.fromhex("00010102")
        await line.close()


# The package's server writes an address as its bytes go over the wire: the other way round than the meter's plate.
THEIR_ADDRESS, ADDRESS = "123456781012", "121078563412"


@pytest.fixture(scope="module")
def theirs() -> Iterator[MeterServerService]:
    service = MeterServerService.new_tcp_server("127.0.0.1", 0, 0.2)
    service.set_address(THEIR_ADDRESS)
    assert service.server.start()
    yield service
    service.server.stop()


async def polled_often(service: MeterServerService, model: MeterModel) -> list[tuple[int, dict[str, Reading]]]:
    """Requests and readings of five polls: by the last what the meter lacks is known, for each halves what is left."""
    line = OVER_TCP.create_line(LineConfig("dlt645-over-tcp", f"127.0.0.1:{service.server.port}"))
    await line.open()
    reader = Reader(Device(0, "code", model.name, ADDRESS, 1000, model))
    outcomes = [await reader.read(line, LONG, 0) for _ in range(5)]
    await line.close()
    return [
        (outcome.requests, {model.channels[each.channel].name: each for each in outcome.readings})
        for outcome in outcomes
    ]


@pytest.mark.peer("DL/T 645-2007", "dlt645", "its server is read over TCP, each datum and what it lacks")
@pytest.mark.parametrize("name", ["dlt645_meter_1p", "dlt645_meter_3p"])
async def test_the_server_of_the_package_dlt645_is_read_whole_by_our_templates(
    theirs: MeterServerService, name: str
) -> None:
    model = load_model(name)
    meant = {
        "energy": 999_999.99, "energy_import": 999_999.99, "energy_rate_1": 0.01, "voltage": 224.8, "voltage_c": 231.7,
        "current": 0.238, "current_b": -12.345, "power": -1.2, "power_a": 79.9999, "power_factor": 0.987,
        "frequency": 49.98,
    }  # fmt: skip
    for entry in model.entries:
        # Not by its setters, which allow energies up to 799,999.99.
        datum = theirs.get_data_item(int(entry.space.replace("..", f"{entry.item:02X}"), 16))
        datum.value = meant.get(entry.channel.name, 0.0)
    polls = await polled_often(theirs, model)
    for _, shown in polls:
        assert set(shown) == {channel.name for channel in model.channels}
        assert {each.quality for each in shown.values()} == {Quality.GOOD}
        for channel in model.channels:
            number = shown[channel.name].value
            assert number is not None
            assert Decimal(number).scaleb(channel.scale) == Decimal(str(meant.get(channel.name, 0)))
    # It has no blocks: they are left out once that has shown.
    assert polls[-1][0] == len(model.channels)


@pytest.mark.peer("DL/T 645-2007", "dlt645", "its server is read over TCP, each datum and what it lacks")
async def test_a_datum_that_their_server_lacks_does_not_lose_the_others(
    theirs: MeterServerService, tmp_path: Path
) -> None:
    source = (Path(__file__).parents[3] / "drivers/templates/dlt645/dlt645_meter_1p.toml").read_text("utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(source.replace("02800002", "02800042"), encoding="utf-8")
    model = load_model(str(mine))
    theirs.get_data_item(0x00010000).value = 2.26
    *_, (_, shown) = await polled_often(theirs, model)
    assert (shown["energy"].value, shown["energy"].quality) == (226, Quality.GOOD)
    assert shown.pop("frequency").quality == Quality.BAD_CONFIGURATION_ERROR
    assert {each.quality for each in shown.values()} == {Quality.GOOD}


async def test_meters_of_both_protocols_share_a_line(tmp_path: Path) -> None:
    from drivers.cjt188.family import SERIAL as WATER_FAMILY
    from protocols.cjt188 import frame as cjt188
    from protocols.cjt188 import messages
    from tests.drivers.cjt188.test_line import METER as WATER_METER

    asked: list[object] = []
    water = cjt188.FrameDecoder()

    def answer_water(frame: cjt188.Frame) -> bytes:
        serial = messages.parse_request(frame).serial
        return cjt188.encode_frame(messages.reply_frame(frame, messages.Data(messages.METERING, serial, b"\x07")))

    async with on_a_pty(Scripted(FrameDecoder(), honest), tmp_path) as peer:
        hear = peer.receive

        def both(data: bytes) -> None:
            hear(data)
            water.receive_data(data)
            while isinstance(frame := water.next_frame(), cjt188.Frame):
                asked.append(frame)
                peer.sends(answer_water(frame))

        peer.receive = both  # type: ignore[method-assign]
        line = SERIAL.create_shared_line(
            LineConfig("dlt645", peer.address, baud=115200), {METER: SERIAL, WATER_METER: WATER_FAMILY}
        )
        await line.open()
        for _ in range(3):
            assert await line.read(METER, VOLTAGE, LONG) == bytes.fromhex("00010102")
            assert await line.read(WATER_METER, Span("10", messages.METERING, 1), LONG) == b"\x07"
        await line.close()
    assert len(peer.heard) == len(asked) == 3
