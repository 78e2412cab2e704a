"""The line against devices that are silent, late, garbled, chatty or gone, on a pty and inside TCP."""

import asyncio
import math
import random
from collections import Counter, deque
from decimal import Decimal

import pytest

from drivers.base import DeviceError, LineConfig, LineDown, Nonsense, NotSent, Refused, Span, Unreachable
from drivers.modbus.rtu_line import RtuLine
from drivers.modbus.template import load_model
from drivers.transport.serial_port import SerialPort
from protocols.modbus.codes import ExceptionCode
from protocols.modbus.frame import Frame
from protocols.modbus.pdu import ExceptionResponse, unpack_registers
from protocols.modbus.rtu import encode_rtu
from tests.drivers.modbus.conftest import FIRST_TWO, PtyPeer, SocketPeer, answer, registers
from tests.drivers.modbus.faulty import REQUESTS, Devices, proof

NEXT_TWO = Span("holding", 10, 2)
SPANS = [FIRST_TWO, NEXT_TWO, Span("holding", 20, 7), Span("input", 0, 2), Span("coil", 0, 32)]  # as REQUESTS
LONG = 2.0


async def test_registers_are_read_and_a_write_is_read_back(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    assert unpack_registers(await serial_line.read(17, Span("input", 7, 3), LONG)) == (7, 8, 9)
    model = load_model("lamp_controller")
    pty_peer.script = lambda frame: [encode_rtu(answer(frame, 55))]
    reading = await serial_line.write(17, model, 0, Decimal(55), LONG)
    assert (reading.channel, reading.value) == (0, 55)
    assert [frame.pdu[0] for frame in pty_peer.requests] == [4, 6, 3]


async def test_a_value_that_does_not_fit_is_not_sent(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    with pytest.raises(NotSent, match=r"lamp_controller\.dim_setpoint: 101 is not within 0 to 100 %; nothing was sent"):
        await serial_line.write(17, load_model("lamp_controller"), 0, Decimal(101), LONG)
    assert pty_peer.requests == []


async def test_a_silent_device_is_unreachable_with_its_unit(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda _: []
    with pytest.raises(Unreachable, match=r"unit 9: no answer within 0\.05 s") as caught:
        await serial_line.read(9, FIRST_TWO, 0.05)
    assert not isinstance(caught.value, LineDown)


async def test_an_exception_is_a_refusal_with_its_code(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda frame: [encode_rtu(frame.reply(ExceptionResponse(3, 2).encode()))]
    with pytest.raises(Refused, match=r"unit 9: illegal data address \(0x02\) to function 0x03") as caught:
        await serial_line.read(9, FIRST_TWO, LONG)
    assert caught.value.code == ExceptionCode.ILLEGAL_DATA_ADDRESS


async def test_a_gateway_that_cannot_reach_the_device_is_no_refusal_of_the_device(
    serial_line: RtuLine, pty_peer: PtyPeer
) -> None:
    pty_peer.script = lambda frame: [encode_rtu(frame.reply(ExceptionResponse(3, 0x0B).encode()))]
    with pytest.raises(Unreachable, match="gateway target failed to respond"):
        await serial_line.read(9, FIRST_TWO, LONG)


async def test_a_wrong_crc_is_nonsense_and_the_next_request_works(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda frame: [encode_rtu(answer(frame))[:-2] + b"\x34\x12"]
    with pytest.raises(Nonsense, match=r"unit 9: CRC 0x1234, computed 0x"):
        await serial_line.read(9, FIRST_TWO, LONG)
    pty_peer.script = lambda frame: [encode_rtu(answer(frame))]
    assert unpack_registers(await serial_line.read(9, FIRST_TWO, LONG)) == (0, 1)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Frame(8, registers(1, 2)), "unit 9: unit 8 answered"),
        (Frame(9, b"\x04" + registers(1, 2)[1:]), "function 0x03 was asked, the answer is 04"),
        (Frame(9, registers(1, 2, 3)), "4 bytes were asked, byte count 6"),
        (Frame(9, b"\x06\x00\x00\x00\x01"), "function 0x03 was asked, the answer is 06"),
    ],
)
async def test_an_answer_to_something_else_is_nonsense(
    serial_line: RtuLine, pty_peer: PtyPeer, reply: Frame, complaint: str
) -> None:
    pty_peer.script = lambda _: [encode_rtu(reply)]
    with pytest.raises(Nonsense, match=complaint):
        await serial_line.read(9, FIRST_TWO, LONG)


async def test_an_answer_in_pieces_and_behind_noise_is_read(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    def script(frame: Frame) -> list[bytes | float | None]:
        whole = b"\x00\xff" + encode_rtu(answer(frame))
        return [piece for byte in whole for piece in (bytes((byte,)), 0.002)]

    pty_peer.script = script
    assert unpack_registers(await serial_line.read(9, FIRST_TWO, LONG)) == (0, 1)


async def test_an_answer_cut_short_is_nonsense_before_the_timeout(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda frame: [encode_rtu(answer(frame))[:5]]
    started = asyncio.get_running_loop().time()
    with pytest.raises(Nonsense, match="5 bytes of a frame, then silence"):
        await serial_line.read(9, FIRST_TWO, LONG)
    assert asyncio.get_running_loop().time() - started < LONG


@pytest.mark.parametrize("span", [FIRST_TWO, NEXT_TWO, Span("holding", 10, 1), Span("input", 0, 2)])
async def test_a_late_reply_is_never_taken_for_the_next_answer(
    serial_line: RtuLine, pty_peer: PtyPeer, span: Span
) -> None:
    """The first answer comes while the second request is under way, as a device does that is slow once."""

    def script(frame: Frame) -> list[bytes | float | None]:
        honest = encode_rtu(answer(frame, 1000 * len(pty_peer.requests)))
        if len(pty_peer.requests) == 1:
            return []
        if len(pty_peer.requests) == 2:
            return [encode_rtu(Frame(9, registers(666, 667))), 0.02, honest]
        return [honest]

    pty_peer.script = script
    with pytest.raises(Unreachable):
        await serial_line.read(9, FIRST_TWO, 0.05)
    values = unpack_registers(await serial_line.read(9, span, LONG))
    assert values == tuple(range(values[0], values[0] + span.length))
    assert values[0] % 1000 == 0


class SlowDevice:
    """Answers in order, each request after a random time that may exceed the client's patience; counts them."""

    def __init__(self, peer: PtyPeer, seed: int) -> None:
        self.asked = 0
        self._peer = peer
        self._random = random.Random(seed)
        self._queue: deque[bytes] = deque()
        peer.script = self.script

    def script(self, frame: Frame) -> list[bytes | float | None]:
        self.asked += 1
        idle = not self._queue
        self._queue.append(encode_rtu(answer(frame, self.asked)))
        if idle:
            asyncio.get_running_loop().call_later(self._random.choice([0.0, 0.001, 0.03, 0.06]), self._send)
        return []

    def _send(self) -> None:
        self._peer.send(self._queue.popleft())
        if self._queue:
            asyncio.get_running_loop().call_later(self._random.choice([0.0, 0.01, 0.04]), self._send)


@pytest.mark.parametrize("seed", range(3))
async def test_every_answer_of_a_device_that_is_slow_at_random_is_its_own(
    serial_line: RtuLine, pty_peer: PtyPeer, seed: int
) -> None:
    """The device counts requests and answers with the count, so an answer that slipped shows."""
    device, choose, good = SlowDevice(pty_peer, seed), random.Random(seed), 0
    for _ in range(40):
        span = choose.choice([FIRST_TWO, NEXT_TWO, Span("holding", 0, 1), Span("input", 0, 2)])
        try:
            raw = await serial_line.read(9, span, 0.025)
        except Unreachable:
            continue
        assert unpack_registers(raw)[0] == device.asked
        good += 1
    assert good > 5
    assert serial_line.late > 0


class FaultyDevices(Devices):
    """On a pty, in real time."""

    def __init__(self, peer: PtyPeer, seed: int, patience_s: float) -> None:
        super().__init__(seed, 0.1, (0.0, 0.003), 3 * patience_s)
        self._peer = peer
        peer.script = self.script

    def script(self, frame: Frame) -> list[bytes | float | None]:
        self.now = asyncio.get_running_loop().time()
        self.hear(encode_rtu(frame))
        while self.next_at() < math.inf:
            asyncio.get_running_loop().call_at(self.next_at(), self._peer.send, self.take())
        return []


@pytest.mark.parametrize(
    "polls", [200, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])], ids=str
)
async def test_no_poll_of_devices_that_answer_late_twice_or_broken_gives_a_wrong_value(
    serial_line: RtuLine, pty_peer: PtyPeer, polls: int
) -> None:
    patience_s, ends = 0.05, Counter[str]()
    devices = FaultyDevices(pty_peer, polls, patience_s)
    for _ in range(polls):
        table, request = devices.choose.choice(list(zip(SPANS, REQUESTS, strict=True)))
        try:
            data = await serial_line.read(devices.choose.randrange(1, 4), table, patience_s)
        except DeviceError as error:
            ends[type(error).__name__] += 1
        else:
            assert data == proof(devices.asked, request)[2:], f"poll {ends.total()}, request {devices.asked}"
            ends["good"] += 1
    assert ends["good"] > 0.8 * polls
    assert serial_line.late > 0


async def test_late_bytes_between_requests_are_dropped(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda frame: [0.08, encode_rtu(answer(frame, 666))]
    with pytest.raises(Unreachable):
        await serial_line.read(9, FIRST_TWO, 0.03)
    await asyncio.sleep(0.1)
    pty_peer.script = lambda frame: [encode_rtu(answer(frame))]
    assert unpack_registers(await serial_line.read(9, FIRST_TWO, LONG)) == (0, 1)


async def test_a_dead_device_costs_one_timeout_a_read(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda _: []
    for _ in range(4):
        with pytest.raises(Unreachable):
            await serial_line.read(9, FIRST_TWO, 0.02)
    assert len(pty_peer.requests) == 4


async def test_a_cancelled_call_leaves_the_line_usable(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda frame: [0.06, encode_rtu(answer(frame, 666))]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await serial_line.read(9, FIRST_TWO, LONG)
    pty_peer.script = lambda frame: [0.06, encode_rtu(answer(frame))]
    assert unpack_registers(await serial_line.read(9, FIRST_TWO, LONG)) == (0, 1)


async def test_a_line_that_never_falls_silent_is_told(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    async def babble() -> None:
        while True:
            pty_peer.send(b"\x55" * 20)
            await asyncio.sleep(0.005)

    pty_peer.script = lambda _: []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(babble())
        said = ""
        for _ in range(5):  # a busy machine may give the line a pause of its own
            with pytest.raises((Nonsense, Unreachable)) as caught:
                await serial_line.read(9, FIRST_TWO, 0.02)
            said += str(caught.value)
            if "has not been quiet for 1 s" in said:
                break
        task.cancel()
    assert "has not been quiet for 1 s" in said


async def test_frames_are_parted_by_three_and_a_half_characters(pty_peer: PtyPeer) -> None:
    line = RtuLine(SerialPort(LineConfig("modbus-rtu", str(pty_peer.path), baud=1200)))
    await line.open()
    for _ in range(3):
        await line.read(9, FIRST_TWO, LONG)
    await line.close()
    gaps = [later - earlier for earlier, later in zip(pty_peer.heard_at, pty_peer.heard_at[1:], strict=False)]
    assert min(gaps) >= 3.5 * 11 / 1200


async def test_an_adapter_that_is_pulled_out_is_told_and_found_again(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    assert await serial_line.read(9, FIRST_TWO, LONG)
    pty_peer.script = lambda frame: [encode_rtu(answer(frame))[:4], 0.01, None]
    with pytest.raises(LineDown, match="tty: lost"):
        await serial_line.read(9, FIRST_TWO, LONG)
    with pytest.raises(LineDown):
        await serial_line.read(9, FIRST_TWO, LONG)
    with pytest.raises(LineDown, match="tty: cannot be opened"):
        await serial_line.open()
    pty_peer.script = lambda frame: [encode_rtu(answer(frame))]
    pty_peer.plug()
    await serial_line.open()
    assert unpack_registers(await serial_line.read(9, FIRST_TWO, LONG)) == (0, 1)


async def test_a_port_cannot_be_opened_twice(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    second = RtuLine(SerialPort(LineConfig("modbus-rtu", str(pty_peer.path), baud=115200)))
    with pytest.raises(LineDown, match="cannot be opened: another program has it open"):
        await second.open()
    await serial_line.close()
    await second.open()
    assert await second.read(9, FIRST_TWO, LONG)
    await second.close()


async def test_rtu_inside_tcp_reads_and_survives_pauses_between_segments(
    rtu_tcp_line: RtuLine, rtu_socket_peer: SocketPeer
) -> None:
    def script(frame: Frame) -> list[bytes | float | None]:
        whole = encode_rtu(answer(frame))
        return [whole[:4], 0.2, whole[4:]]

    rtu_socket_peer.script = script
    assert unpack_registers(await rtu_tcp_line.read(9, FIRST_TWO, LONG)) == (0, 1)


async def test_rtu_inside_tcp_tells_a_broken_answer_at_the_deadline(
    rtu_tcp_line: RtuLine, rtu_socket_peer: SocketPeer
) -> None:
    rtu_socket_peer.script = lambda frame: [encode_rtu(answer(frame))[:-1] + b"\xee"]
    with pytest.raises(Nonsense, match="unit 9: CRC"):
        await rtu_tcp_line.read(9, FIRST_TWO, 0.1)


async def test_rtu_inside_tcp_tells_a_lost_connection_and_connects_again(
    rtu_tcp_line: RtuLine, rtu_socket_peer: SocketPeer
) -> None:
    rtu_socket_peer.script = lambda frame: [encode_rtu(answer(frame))[:4], None]
    with pytest.raises(LineDown, match="connection lost"):
        await rtu_tcp_line.read(9, FIRST_TWO, LONG)
    rtu_socket_peer.script = lambda frame: [encode_rtu(answer(frame))]
    await rtu_tcp_line.open()
    assert unpack_registers(await rtu_tcp_line.read(9, FIRST_TWO, LONG)) == (0, 1)


async def test_an_adapter_that_echoes_what_is_sent_does_no_harm(serial_line: RtuLine, pty_peer: PtyPeer) -> None:
    pty_peer.script = lambda frame: [encode_rtu(frame), 0.01, encode_rtu(answer(frame))]
    for _ in range(3):
        assert unpack_registers(await serial_line.read(9, FIRST_TWO, LONG)) == (0, 1)
    model = load_model("lamp_controller")
    assert (await serial_line.write(9, model, 0, Decimal(0), LONG)).value == 0
