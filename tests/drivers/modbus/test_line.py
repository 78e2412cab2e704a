import pytest

from drivers.base import Span
from drivers.modbus.line import read_request, split_address
from protocols.modbus.codes import Function
from protocols.modbus.pdu import ReadBits, ReadRegisters


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("meter.lan:1502", ("meter.lan", 1502)),
        ("10.0.0.7", ("10.0.0.7", 502)),
        ("[fd00::7]:1502", ("fd00::7", 1502)),
        ("[fd00::7]", ("fd00::7", 502)),
    ],
)
def test_an_address_has_a_host_and_perhaps_a_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address, 502) == parts


@pytest.mark.parametrize("address", ["", ":502", "host:", "host:0", "host:65536", "host:x", "[fd00::7", "[fd00::7]x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    if address == "host:":
        assert split_address(address, 502) == ("host", 502)
        return
    with pytest.raises(ValueError, match="is not"):
        split_address(address, 502)


def test_each_table_has_its_function() -> None:
    assert read_request(Span("coil", 1, 9)) == ReadBits(Function.READ_COILS, 1, 9)
    assert read_request(Span("discrete", 1, 9)) == ReadBits(Function.READ_DISCRETE_INPUTS, 1, 9)
    assert read_request(Span("holding", 1, 9)) == ReadRegisters(Function.READ_HOLDING_REGISTERS, 1, 9)
    assert read_request(Span("input", 1, 9)) == ReadRegisters(Function.READ_INPUT_REGISTERS, 1, 9)
