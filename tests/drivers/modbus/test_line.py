from drivers.base import Span
from drivers.modbus.line import read_request
from protocols.modbus.codes import Function
from protocols.modbus.pdu import ReadBits, ReadRegisters


def test_each_table_has_its_function() -> None:
    assert read_request(Span("coil", 1, 9)) == ReadBits(Function.READ_COILS, 1, 9)
    assert read_request(Span("discrete", 1, 9)) == ReadBits(Function.READ_DISCRETE_INPUTS, 1, 9)
    assert read_request(Span("holding", 1, 9)) == ReadRegisters(Function.READ_HOLDING_REGISTERS, 1, 9)
    assert read_request(Span("input", 1, 9)) == ReadRegisters(Function.READ_INPUT_REGISTERS, 1, 9)
