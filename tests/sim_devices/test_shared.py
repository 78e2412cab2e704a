"""One RS-485 line with meters of two protocols: each is asked in its own way, whole and in pieces."""

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.cjt188 import frame as cjt188
from protocols.cjt188.messages import Read
from protocols.dlt645 import frame as dlt645
from protocols.dlt645.messages import ReadData
from protocols.stream import NEED_DATA
from sim_devices.clock import Now
from sim_devices.faults import Faults
from sim_devices.models.base import Device, Options, Unit
from sim_devices.shared import SharedSlaves, gather
from sim_devices.world import World

START_MS = 1_782_041_400_000
NOW = Now(0.0, START_MS, START_MS)
ELECTRICITY, WATER = "000000000161", "78330011223344"
ASK_ELECTRICITY = dlt645.encode_frame(ReadData(0x00000000).frame(ELECTRICITY))
ASK_WATER = cjt188.encode_frame(Read(0x901F, 7).frame(0x10, WATER))


def line() -> SharedSlaves:
    world = World(1, START_MS)
    devices: dict[Unit, Device] = {
        ELECTRICITY: world.add("e", "dlt645_meter_1p", Options(counter=12_345_678)),
        WATER: world.add("w", "water_meter", Options()),
    }
    world.begin()
    slaves = gather(devices, Faults(1), world.advance, None)
    assert isinstance(slaves, SharedSlaves)
    return slaves


def test_both_meters_are_on_the_line_and_requests_are_counted_by_device() -> None:
    slaves = line()
    assert set(slaves.units) == {ELECTRICITY, WATER}
    talk = slaves.converse("pty")
    for request in (ASK_ELECTRICITY, ASK_WATER, ASK_ELECTRICITY):
        talk.receive(request, NOW)
        talk.idle(NOW)
    assert dict(slaves.requests) == {"e": 2, "w": 1}


@given(st.data())
@settings(max_examples=60)
def test_however_requests_are_cut_each_is_answered_once_and_by_its_own_meter(data: st.DataObject) -> None:
    talk = line().converse("pty")
    for request, decoder, unit in (
        (ASK_ELECTRICITY, dlt645.FrameDecoder(), ELECTRICITY),
        (ASK_WATER, cjt188.FrameDecoder(), WATER),
        (ASK_ELECTRICITY, dlt645.FrameDecoder(), ELECTRICITY),
    ):
        at = data.draw(st.integers(0, len(request)))
        sends = [*talk.receive(request[:at], NOW), *talk.receive(request[at:], NOW), *talk.idle(NOW)]
        assert len(sends) == 1
        decoder.receive_data(sends[0].data)
        frame = decoder.next_frame()
        assert frame is not NEED_DATA
        assert frame.address == unit


def test_noise_is_nobodys_request() -> None:
    talk = line().converse("pty")
    assert talk.receive(bytes(range(256)), NOW) + talk.idle(NOW) == []
    assert len(talk.receive(ASK_WATER, NOW)) == 1


def test_a_line_of_one_protocol_is_that_protocols_own() -> None:
    world = World(1, START_MS)
    device = world.add("w", "water_meter", Options())
    world.begin()
    assert not isinstance(gather({WATER: device}, Faults(1), world.advance, None), SharedSlaves)
