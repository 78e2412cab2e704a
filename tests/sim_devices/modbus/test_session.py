from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.modbus.codes import ExceptionCode, Function
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_response
from protocols.modbus.pdu import (
    ExceptionResponse,
    MaskWriteRegister,
    ReadBits,
    ReadRegisters,
    ReadRegistersResponse,
    ReadWriteMultipleRegisters,
    Request,
    Response,
    WriteMultipleCoils,
    WriteMultipleRegisters,
    WriteSingleCoil,
    WriteSingleRegister,
)
from protocols.modbus.rtu import RtuResponseDecoder, encode_rtu
from protocols.modbus.tcp import TcpDecoder, encode_tcp
from sim_devices.clock import Now
from sim_devices.faults import Fault, Faults, Kind
from sim_devices.modbus.session import Session, Slaves
from sim_devices.models.base import Options
from sim_devices.world import World

START = 1_782_041_400_000
NOW = Now(0.0, START, START)
INPUTS = ReadRegisters(Function.READ_INPUT_REGISTERS, 0, 7)
SET_POINT = ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 1)


class Bench:
    """Two lamps, units 1 and 2, on one line; `journal` holds what was recorded."""

    def __init__(self) -> None:
        self.world = World(1, START)
        self.lamps = [self.world.add(name, "lamp_controller", Options()) for name in ("one", "two")]
        self.world.begin()
        self.faults = Faults(1)
        self.journal: list[tuple[str, str, int, list[int], str | None]] = []
        self.slaves = Slaves(dict(enumerate(self.lamps, 1)), self.faults, self.world.advance, self._record)

    def _record(self, _now: Now, _unit: object, device: object, said: Mapping[str, Any], fault: Fault | None) -> None:
        code = getattr(device, "code", "")
        cause = None if fault is None else str(fault.kind)
        self.journal.append((code, said["table"], said["address"], said["registers"], cause))

    def ask(self, request: Request, unit: int = 1) -> Response | None:
        session = Session(self.slaves, tcp=False, gateway=False)
        sends = session.receive(encode_rtu(Frame(unit, request.encode())), NOW)
        if not sends:
            return None
        decoder = RtuResponseDecoder()
        decoder.receive_data(sends[0].data)
        frame = decoder.next_frame()
        assert frame is not NEED_DATA
        assert frame.unit == unit
        return parse_response(frame.pdu, request)


def test_a_read_is_answered_from_the_registers_and_recorded_as_answered() -> None:
    bench = Bench()
    response = bench.ask(INPUTS)
    assert isinstance(response, ReadRegistersResponse)
    assert bench.journal == [("one", "input", 0, list(response.registers), None)]
    assert bench.slaves.requests == {"one": 1, "two": 0}


def test_every_write_function_writes() -> None:
    bench = Bench()
    lamp = bench.lamps[0]
    writes: list[tuple[Request, Callable[[], bool]]] = [
        (WriteSingleRegister(0, 40), lambda: lamp.values["dim_setpoint"] == 40),
        (WriteMultipleRegisters(0, (41,)), lambda: lamp.values["dim_setpoint"] == 41),
        (MaskWriteRegister(0, 0x0008, 0x0002), lambda: lamp.values["dim_setpoint"] == (41 & 8 | 2)),
        (ReadWriteMultipleRegisters(0, 1, 0, (43,)), lambda: lamp.values["dim_setpoint"] == 43),
        (WriteSingleCoil(0, True), lambda: lamp.values["relay"] is True),
        (WriteMultipleCoils(0, (False,)), lambda: lamp.values["relay"] is False),
    ]
    for request, holds in writes:
        response = bench.ask(request)
        assert response is not None
        assert not isinstance(response, ExceptionResponse)
        assert holds()
    assert [entry for entry in bench.journal if entry[1] != "input"] == []


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ReadRegisters(Function.READ_INPUT_REGISTERS, 5, 10), ExceptionCode.ILLEGAL_DATA_ADDRESS),
        (ReadBits(Function.READ_DISCRETE_INPUTS, 0, 1), ExceptionCode.ILLEGAL_DATA_ADDRESS),
        (WriteSingleRegister(3, 1), ExceptionCode.ILLEGAL_DATA_ADDRESS),
        (WriteSingleRegister(0, 101), ExceptionCode.ILLEGAL_DATA_VALUE),
    ],
)
def test_what_it_cannot_do_is_refused_with_the_right_code_and_not_recorded(
    request_: Request, code: ExceptionCode
) -> None:
    bench = Bench()
    assert bench.ask(request_) == ExceptionResponse(request_.function, code)
    assert bench.journal == []


def test_an_absent_unit_is_silent_on_a_line_and_refused_by_a_gateway() -> None:
    bench = Bench()
    assert bench.ask(SET_POINT, unit=9) is None
    session = Session(bench.slaves, tcp=True, gateway=True)
    sends = session.receive(encode_tcp(Frame(9, SET_POINT.encode(), 5)), NOW)
    assert sends[0].data == encode_tcp(Frame(9, bytes([0x83, 0x0B]), 5))


def test_a_broadcast_is_obeyed_by_all_and_answered_by_none() -> None:
    bench = Bench()
    assert bench.ask(WriteSingleRegister(0, 33), unit=0) is None
    assert [lamp.values["dim_setpoint"] for lamp in bench.lamps] == [33, 33]


def test_a_faulty_answer_is_recorded_with_its_fault_and_a_missing_one_not_at_all() -> None:
    bench = Bench()
    for kind in Kind:
        bench.faults.clear()
        bench.faults.add("one", Fault(kind))
        Session(bench.slaves, tcp=False, gateway=False).receive(encode_rtu(Frame(1, SET_POINT.encode())), NOW)
    recorded = [fault for *_, fault in bench.journal]
    answered = ["slow", "late", "noisy", "wrong-crc", "wrong-unit", "duplicate"]
    assert recorded == [*answered, "ringing", "bit-error", "collision", "half-speed"]


def test_a_device_that_refuses_with_an_exception_has_done_nothing() -> None:
    bench = Bench()
    bench.faults.add("one", Fault(Kind.EXCEPTION, code=6))
    before = bench.lamps[0].values["dim_setpoint"]
    assert bench.ask(WriteSingleRegister(0, 12)) == ExceptionResponse(6, 6)
    assert bench.lamps[0].values["dim_setpoint"] == before


def rtu_stream(units: list[int]) -> bytes:
    return b"".join(encode_rtu(Frame(unit, INPUTS.encode())) for unit in units)


def tcp_stream(units: list[int]) -> bytes:
    return b"".join(encode_tcp(Frame(unit, INPUTS.encode(), at)) for at, unit in enumerate(units))


@given(st.lists(st.integers(1, 2), min_size=1, max_size=5), st.data(), st.sampled_from([rtu_stream, tcp_stream]))
def test_requests_are_answered_alike_wherever_the_bytes_are_split(
    units: list[int], data: st.DataObject, stream: Callable[[list[int]], bytes]
) -> None:
    bench, whole = Bench(), stream(units)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    is_tcp = stream is tcp_stream
    session, answers = Session(bench.slaves, tcp=is_tcp, gateway=is_tcp), b""
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        answers += b"".join(send.data for send in session.receive(whole[start:end], NOW))
    straight = Session(Bench().slaves, tcp=is_tcp, gateway=is_tcp)
    assert answers == b"".join(send.data for send in straight.receive(whole, NOW))


@given(st.binary(max_size=60))
def test_noise_on_a_line_is_ignored_and_after_silence_the_next_request_is_answered(noise: bytes) -> None:
    session = Session(Bench().slaves, tcp=False, gateway=False)
    session.receive(noise, NOW)
    session.idle(NOW)
    assert len(session.receive(encode_rtu(Frame(1, INPUTS.encode())), NOW)) == 1


def test_a_tcp_client_that_speaks_something_else_is_given_up() -> None:
    session = Session(Bench().slaves, tcp=True, gateway=True)
    with pytest.raises(RemoteProtocolError):
        session.receive(b"GET / HTTP/1.1\r\n\r\n", NOW)


def test_tcp_answers_carry_the_transaction_they_were_asked_with() -> None:
    sends = Session(Bench().slaves, tcp=True, gateway=True).receive(tcp_stream([1, 2, 1]), NOW)
    decoder = TcpDecoder()
    decoder.receive_data(b"".join(send.data for send in sends))
    frames = [decoder.next_frame() for _ in range(3)]
    assert [(frame.transaction, frame.unit) for frame in frames if isinstance(frame, Frame)] == [(0, 1), (1, 2), (2, 1)]
