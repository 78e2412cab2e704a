import pytest

from protocols.cjt188.frame import ANY_TYPE, WILDCARD, Frame, FrameDecoder, encode_frame
from protocols.cjt188.messages import ADDRESS, METERING, Control, Data, Read, Refusal, Reply, parse_reply
from protocols.cjt188.records import WATER, decode_record
from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA
from sim_devices.cjt188.session import PROTOCOL, Slaves
from sim_devices.clock import Now
from sim_devices.faults import Fault, Faults, Kind, Send
from sim_devices.models.base import Device, Options, Unit
from sim_devices.world import World

START_MS = 1_782_041_400_000
NOW = Now(0.0, START_MS, START_MS)
METER, GAS = "78330011223344", "78330011223345"


class Bench:
    """A water and a gas meter on a line, asked without a socket."""

    def __init__(self) -> None:
        self.world = World(1, START_MS)
        self.devices: dict[Unit, Device] = {
            METER: self.world.add("water", "water_meter", Options(counter=99_999_999)),
            GAS: self.world.add("gas", "gas_meter", Options()),
        }
        self.world.begin()
        self.faults = Faults(1)
        self.slaves = Slaves(self.devices, self.faults, self.world.advance)
        self.talk = self.slaves.converse("pty")

    def sends(self, request: Read, meter_type: int = 0x10, unit: str = METER) -> list[Send]:
        return self.talk.receive(encode_frame(request.frame(meter_type, unit)), NOW)

    def ask(self, request: Read, meter_type: int = 0x10, unit: str = METER) -> Reply:
        (send,) = self.sends(request, meter_type, unit)
        return parse_reply(decoded(send.data), request)


def decoded(data: bytes) -> Frame:
    decoder = FrameDecoder()
    decoder.receive_data(data)
    frame = decoder.next_frame()
    assert frame is not NEED_DATA
    return frame


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("low_first", [True, False])
def test_a_record_is_answered_in_the_order_of_its_request_with_its_number(bench: Bench, low_first: bool) -> None:
    request = Read(METERING, 0x42, low_first)
    (send,) = bench.sends(request)
    frame = decoded(send.data)
    assert frame.data[:3] == request.frame(0x10, METER).data
    reply = parse_reply(frame, request)
    assert isinstance(reply, Data)
    assert decode_record(WATER, reply.data).values["total"].number == 99_999_999


def test_a_meter_of_another_type_or_address_keeps_silent(bench: Bench) -> None:
    assert bench.sends(Read(METERING, 1), 0x30) == []
    assert bench.sends(Read(METERING, 1), 0x10, GAS) == []
    assert bench.sends(Read(METERING, 1), 0x10, "78330011223346") == []
    assert bench.sends(Read(METERING, 1), 0x30, GAS) != []


def test_what_a_meter_lacks_it_refuses(bench: Bench) -> None:
    assert bench.ask(Read(0xD120, 5)) == Refusal(5, bytes(2))


def test_a_meter_alone_on_its_line_tells_its_address(bench: Bench) -> None:
    alone = Slaves({METER: bench.devices[METER]}, bench.faults, bench.world.advance).converse("pty")
    request = Read(ADDRESS, 1, control=Control.READ_ADDRESS)
    (send,) = alone.receive(encode_frame(request.frame(ANY_TYPE, WILDCARD)), NOW)
    frame = decoded(send.data)
    assert (frame.type, frame.address, frame.control) == (0x10, METER, 0x83)
    assert bench.talk.receive(encode_frame(request.frame(ANY_TYPE, WILDCARD)), NOW) == []


def test_an_exception_is_a_refusal(bench: Bench) -> None:
    bench.faults.add("water", Fault(Kind.EXCEPTION, code=4))
    assert bench.ask(Read(METERING, 9)) == Refusal(9, b"\x04\x00")


def test_a_spoiled_sum_is_refused_and_a_neighbours_name_is_another(bench: Bench) -> None:
    bench.faults.add("water", Fault(Kind.WRONG_CRC))
    (send,) = bench.sends(Read(METERING, 1))
    decoder = FrameDecoder()
    decoder.receive_data(send.data)
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="sum"):
        decoder.next_frame()
    bench.faults.clear()
    bench.faults.add("water", Fault(Kind.WRONG_UNIT))
    (send,) = bench.sends(Read(METERING, 1))
    assert decoded(send.data).address == GAS


@pytest.mark.parametrize("unit", [7833, "7833", WILDCARD, "7833001122334g"])
def test_a_unit_is_fourteen_digits(unit: Unit) -> None:
    assert PROTOCOL.unit(METER) == METER
    with pytest.raises(ValueError, match="14 digits"):
        PROTOCOL.unit(unit)
