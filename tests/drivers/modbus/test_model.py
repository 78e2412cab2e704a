from decimal import Decimal

import pytest

from drivers.base import NotSent, Refused
from drivers.modbus.model import RegisterModel
from drivers.modbus.template import load_model, parse_model
from protocols.modbus.pdu import Request, WriteMultipleRegisters, WriteSingleCoil, WriteSingleRegister

CHANNEL = """
[[channel]]
name = "setpoint"
title = {{ en = "S", zh = "设" }}
quantity = "generic"
kind = "gauge"
table = "holding"
address = 4
writable = true
type = "{type}"
{more}
"""


def model(type_: str, more: str = "", requests: str = "") -> RegisterModel:
    head = 'name = "m"\ntitle = { en = "M", zh = "模" }\n'
    return parse_model(head + requests + CHANNEL.format(type=type_, more=more), "m.toml")


@pytest.mark.parametrize(
    ("type_", "more", "value", "request_"),
    [
        ("u16", "", "100", WriteSingleRegister(4, 100)),
        ("u16", 'scale = "0.1"', "12.3", WriteSingleRegister(4, 123)),
        ("u16", 'scale = "0.1"', "12.30", WriteSingleRegister(4, 123)),
        ("i16", 'scale = "0.5"', "-1.5", WriteSingleRegister(4, 0xFFFD)),
        ("u16", 'order = "BADC"', "258", WriteSingleRegister(4, 0x0201)),
        ("u32", "", "65538", WriteMultipleRegisters(4, (1, 2))),
        ("u32", 'order = "CDAB"', "65538", WriteMultipleRegisters(4, (2, 1))),
        ("i64", 'scale = "10"', "-10", WriteMultipleRegisters(4, (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF))),
        ("f32", "", "12.5", WriteMultipleRegisters(4, (0x4148, 0))),
        ("f32", 'order = "CDAB"', "0.1", WriteMultipleRegisters(4, (0xCCCD, 0x3DCC))),
    ],
)
def test_a_value_is_written_as_the_register_that_means_it(type_: str, more: str, value: str, request_: Request) -> None:
    assert model(type_, more).write_request(0, Decimal(value)) == request_


def test_a_device_without_function_06_is_written_with_10() -> None:
    several = model("u16", requests="[requests]\nsingle_writes = false\n")
    assert several.write_request(0, Decimal(7)) == WriteMultipleRegisters(4, (7,))


@pytest.mark.parametrize(
    ("type_", "more", "value", "complaint"),
    [
        ("u16", "", "1.5", "1.5 is no multiple of 1"),
        ("u16", 'scale = "0.1"', "1.25", "1.25 is no multiple of 0.1"),
        ("u16", "", "65536", "65536 does not fit u16"),
        ("u16", "", "-1", "-1 does not fit u16"),
        ("i16", "sentinels = [0x8000]", "-32768", "-32768 would be read as 'no value'"),
        ("u16", 'limits = ["5", "10"]', "11", "11 is not within 5 to 10"),
        ("u16", "", "NaN", "NaN is no number"),
        ("f32", "", "0.123456789", "is not exact as a float of 32 bits"),
    ],
)
def test_a_value_that_would_be_changed_is_not_sent(type_: str, more: str, value: str, complaint: str) -> None:
    with pytest.raises(NotSent, match=complaint) as caught:
        model(type_, more).write_request(0, Decimal(value))
    assert "m.setpoint" in str(caught.value)
    assert isinstance(caught.value, Refused)


def test_a_coil_is_written_on_or_off() -> None:
    lamp = load_model("lamp_controller")
    relay = [channel.name for channel in lamp.channels].index("relay")
    assert lamp.write_request(relay, Decimal(1)) == WriteSingleCoil(0, True)
    assert lamp.write_request(relay, Decimal(0)) == WriteSingleCoil(0, False)
    with pytest.raises(NotSent, match="2 is neither 0 nor 1"):
        lamp.write_request(relay, Decimal(2))


def test_a_channel_that_is_only_read_is_not_written() -> None:
    with pytest.raises(NotSent, match="the channel cannot be written"):
        load_model("meter_1p").write_request(0, Decimal(230))
