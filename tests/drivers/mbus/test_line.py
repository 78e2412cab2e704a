import asyncio
import random
from collections.abc import Iterator
from decimal import Decimal

import pytest

from drivers.base import DeviceError, LineDown, Nonsense, NotSent, Refused, Unreachable
from drivers.mbus.line import MbusLine
from protocols.mbus.codes import APPLICATION_ERROR, FCB, REQ_UD2, RSP_UD, SELECT, SND_NKE, SND_UD
from protocols.mbus.frame import Ack, Frame, LongFrame, ShortFrame, encode_frame
from protocols.mbus.telegram import encode_telegram
from protocols.mbus.variable import encode_records
from tests.drivers.mbus.conftest import ADDRESS, HEADER, MODEL, ONE, TEN, Peer, Piece, volume, water

ACK = encode_frame(Ack())
FIRST, SECOND = REQ_UD2 | FCB, REQ_UD2
TIMEOUT = 0.1


def is_request(frame: Frame) -> bool:
    return isinstance(frame, ShortFrame) and frame.control & ~FCB == REQ_UD2


async def test_a_readout_begins_anew_and_asks_with_the_count_bit_set(peer: Peer, serial_line: MbusLine) -> None:
    for expected in (1, 2, 3):
        assert volume(await serial_line.read(ADDRESS, TEN, 1.0)) == expected
    assert peer.controls == [SND_NKE, FIRST] * 3


async def test_the_same_over_tcp(peer: Peer, tcp_line: MbusLine) -> None:
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 1


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_answers_in_pieces_are_whole(peer: Peer, tcp_line: MbusLine, size: int) -> None:
    def script(frame: Frame) -> Iterator[Piece]:
        data = peer.answer(frame)
        for at in range(0, len(data), size):
            yield data[at : at + size]
            yield 0.0005

    peer.script = script
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 1


async def test_further_telegrams_are_fetched_with_the_bit_toggled(peer: Peer, tcp_line: MbusLine) -> None:
    def script(frame: Frame) -> Iterator[Piece]:
        if is_request(frame):
            peer.count += 1
            yield encode_frame(water(peer.count, peer.count, more=peer.count < 3))
        else:
            yield ACK

    peer.script = script
    raw = await tcp_line.read(ADDRESS, TEN, 1.0)
    assert raw.count(bytes.fromhex("78563412")) == 3
    assert volume(raw) == 1
    assert peer.controls == [SND_NKE, FIRST, SECOND, FIRST]


async def test_no_more_telegrams_are_fetched_than_the_model_wants(peer: Peer, tcp_line: MbusLine) -> None:
    def script(frame: Frame) -> Iterator[Piece]:
        peer.count += 1
        yield encode_frame(water(peer.count, peer.count, more=True)) if is_request(frame) else ACK

    peer.script = script
    await tcp_line.read(ADDRESS, ONE, 1.0)
    assert peer.controls == [SND_NKE, FIRST]


async def test_a_meter_that_always_promises_more_and_begins_again_ends_the_readout(
    peer: Peer, tcp_line: MbusLine
) -> None:
    def script(frame: Frame) -> Iterator[Piece]:
        peer.count += 1
        yield encode_frame(water(77, peer.count, more=True)) if is_request(frame) else ACK

    peer.script = script
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 77
    assert peer.controls == [SND_NKE, FIRST, SECOND]


async def test_a_secondary_address_is_selected_first(peer: Peer, tcp_line: MbusLine) -> None:
    assert volume(await tcp_line.read("12345678", TEN, 1.0)) == 1
    selection, request = peer.heard
    assert isinstance(selection, LongFrame)
    assert (selection.control, selection.address, selection.ci) == (SND_UD, 253, SELECT)
    assert selection.data == bytes.fromhex("78563412ffffffff")
    assert request == ShortFrame(FIRST, 253)


@pytest.mark.parametrize("unit", ["12345679", "1234567821340107", 6])
async def test_another_meters_answer_is_not_used(peer: Peer, tcp_line: MbusLine, unit: int | str) -> None:
    with pytest.raises(Nonsense, match="answered"):
        await tcp_line.read(unit, TEN, TIMEOUT)
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 2


async def test_another_meters_answer_does_not_end_the_waiting(peer: Peer, tcp_line: MbusLine) -> None:
    peer.script = lambda frame: (
        [encode_frame(water(99, 9, address=7)), peer.answer(frame)] if is_request(frame) else [ACK]
    )
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 1


async def test_the_echo_of_a_level_converter_is_passed_over(peer: Peer, tcp_line: MbusLine) -> None:
    peer.script = lambda frame: [encode_frame(frame), peer.answer(frame)]
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 1
    assert volume(await tcp_line.read("12345678", TEN, 1.0)) == 2
    assert tcp_line.late == 0


async def test_a_dead_meter_is_unreachable_and_the_line_goes_on(peer: Peer, tcp_line: MbusLine) -> None:
    peer.script = lambda _: []
    with pytest.raises(Unreachable, match=r"address 5: no answer within 0.1 s"):
        await tcp_line.read(ADDRESS, TEN, TIMEOUT)
    peer.script = lambda frame: [peer.answer(frame)]
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 1


async def test_an_owed_acknowledgement_is_never_taken_for_this_meters(peer: Peer, tcp_line: MbusLine) -> None:
    peer.script = lambda _: []
    with pytest.raises(Unreachable):
        await tcp_line.read(6, TEN, TIMEOUT)
    with pytest.raises(Unreachable):
        await tcp_line.read(ADDRESS, TEN, TIMEOUT)  # what it owes itself does not matter
    peer.heard.clear()
    peer.script = lambda frame: [peer.answer(frame)]
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 1
    assert peer.controls == [SND_NKE, SND_NKE, FIRST]


async def test_a_late_answer_is_never_taken_for_the_next(peer: Peer, tcp_line: MbusLine) -> None:
    peer.script = lambda frame: [0.4, peer.answer(frame)] if is_request(frame) else [ACK]
    with pytest.raises(Unreachable):
        await tcp_line.read(ADDRESS, TEN, TIMEOUT)
    peer.script = lambda frame: [peer.answer(frame)]  # behind what is owed
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 2
    assert tcp_line.late == 1


async def test_a_late_answer_that_overtakes_is_known_by_its_access_number(peer: Peer, tcp_line: MbusLine) -> None:
    peer.in_order = False
    for _ in range(2):
        await tcp_line.read(ADDRESS, TEN, 1.0)
    peer.script = lambda frame: [0.15, peer.answer(frame)] if is_request(frame) else [ACK]
    with pytest.raises(Unreachable):
        await tcp_line.read(ADDRESS, TEN, TIMEOUT)
    peer.script = lambda frame: [0.12, peer.answer(frame)] if is_request(frame) else [ACK]
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 4


async def test_a_doubled_answer_is_not_the_next_telegram_nor_the_next_readout(peer: Peer, tcp_line: MbusLine) -> None:
    def script(frame: Frame) -> Iterator[Piece]:
        if not is_request(frame):
            yield ACK
            return
        peer.count += 1
        data = encode_frame(water(peer.count, peer.count, more=peer.count % 2 == 1))
        yield data
        yield 0.02
        yield data

    peer.script = script
    for expected in (1, 3, 5):
        raw = await tcp_line.read(ADDRESS, TEN, 1.0)
        assert volume(raw) == expected
        assert len(raw) == 2 * len(encode_frame(water(1, 1, more=True))) - 1
    assert tcp_line.late > 0


async def _spoilt(peer: Peer, line: MbusLine) -> None:
    def spoilt(frame: Frame) -> Iterator[Piece]:
        data = bytearray(peer.answer(frame))
        if is_request(frame):
            data[-2] ^= 0x10
        yield bytes(data)

    peer.script = spoilt
    with pytest.raises(Nonsense, match="address 5: sum 0x"):
        await line.read(ADDRESS, TEN, TIMEOUT)
    peer.script = lambda frame: [peer.answer(frame)]
    assert volume(await line.read(ADDRESS, TEN, 1.0)) == 2


async def test_a_spoilt_answer_is_nonsense_with_its_cause(peer: Peer, tcp_line: MbusLine) -> None:
    await _spoilt(peer, tcp_line)


async def test_a_spoilt_answer_is_nonsense_on_a_serial_port_too(peer: Peer, serial_line: MbusLine) -> None:
    await _spoilt(peer, serial_line)


async def test_an_application_error_is_a_refusal_with_its_reason(peer: Peer, tcp_line: MbusLine) -> None:
    busy = encode_frame(LongFrame(RSP_UD, ADDRESS, APPLICATION_ERROR, b"\x08"))
    peer.script = lambda frame: [busy] if is_request(frame) else [ACK]
    with pytest.raises(Refused, match="busy") as refused:
        await tcp_line.read(ADDRESS, TEN, 1.0)
    assert refused.value.code == 0x7008


async def test_an_encrypted_answer_is_refused_plainly(peer: Peer, tcp_line: MbusLine) -> None:
    secret = encode_frame(encode_telegram(ADDRESS, HEADER._replace(configuration=0x0510), bytes(16)))
    peer.script = lambda frame: [secret] if is_request(frame) else [ACK]
    with pytest.raises(Nonsense, match=r"encrypted \(mode 5\)"):
        await tcp_line.read(ADDRESS, TEN, TIMEOUT)


async def test_a_short_frame_is_no_answer_with_data(peer: Peer, tcp_line: MbusLine) -> None:
    peer.script = lambda frame: [encode_frame(ShortFrame(RSP_UD, ADDRESS))] if is_request(frame) else [ACK]
    with pytest.raises(Nonsense, match="short frame"):
        await tcp_line.read(ADDRESS, TEN, TIMEOUT)


async def test_an_empty_telegram_is_an_answer(peer: Peer, tcp_line: MbusLine) -> None:
    empty = encode_frame(encode_telegram(ADDRESS, HEADER, encode_records([])))
    peer.script = lambda frame: [empty] if is_request(frame) else [ACK]
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) is None


@pytest.mark.parametrize("in_order", [True, False])
async def test_under_all_faults_no_value_is_older_than_its_readout(
    peer: Peer, tcp_line: MbusLine, in_order: bool
) -> None:
    """Each answer carries its number; one that was made before the readout began is a wrong value."""
    chance = random.Random(20261124)
    peer.in_order = in_order
    for _ in range(2):
        await tcp_line.read(ADDRESS, TEN, 1.0)

    def script(frame: Frame) -> Iterator[Piece]:
        data = peer.answer(frame)
        fault = chance.choice(["none", "none", "late", "twice", "spoilt", "silent", "noise", "pieces"])
        if fault == "silent":
            return
        if fault == "late":
            yield chance.uniform(0.02, 0.12)
        if fault == "noise":
            yield chance.randbytes(3)
        if fault == "spoilt" and len(data) > 1:
            at = chance.randrange(len(data))
            data = data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
        cut = chance.randrange(len(data)) if fault == "pieces" else len(data)
        yield data[:cut]
        yield data[cut:]
        if fault == "twice":
            yield chance.uniform(0.0, 0.06)
            yield data

    peer.script = script
    good = 0
    for _ in range(40):
        before = peer.count
        try:
            value = volume(await tcp_line.read(ADDRESS, TEN, 0.05))
        except DeviceError:
            continue
        assert value is not None
        assert value > before
        good += 1
    assert good >= 4


async def test_a_readout_that_is_cancelled_leaves_the_line_usable(peer: Peer, tcp_line: MbusLine) -> None:
    peer.script = lambda frame: [0.1, peer.answer(frame)] if is_request(frame) else [ACK]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await tcp_line.read(ADDRESS, TEN, 1.0)
    peer.script = lambda frame: [peer.answer(frame)]
    assert volume(await tcp_line.read(ADDRESS, TEN, 1.0)) == 2


async def test_a_closed_line_is_down(tcp_line: MbusLine) -> None:
    await tcp_line.close()
    with pytest.raises(LineDown):
        await tcp_line.read(ADDRESS, TEN, 1.0)


async def test_nothing_is_written(tcp_line: MbusLine, peer: Peer) -> None:
    with pytest.raises(NotSent, match="volume cannot be written"):
        await tcp_line.write(ADDRESS, MODEL, 0, Decimal(1), 1.0)
    assert peer.heard == []
