import pytest

from protocols.modbus.crc import crc16


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"123456789", 0x4B37),
        (bytes.fromhex("0207"), 0x1241),  # Modbus over serial line 1.02, 6.2.2: sent as 41 12
        (bytes.fromhex("1103006B0003"), 0x8776),
        (bytes.fromhex("01030000000A"), 0xCDC5),
        (bytes.fromhex("010400000002"), 0xCB71),
        (b"", 0xFFFF),
    ],
)
@pytest.mark.vectors("Modbus", "the catalogue of CRCs and MODBUS over serial line 1.02")
def test_the_published_checks_come_out(data: bytes, crc: int) -> None:
    assert crc16(data) == crc
    assert crc16(data + crc.to_bytes(2, "little")) == 0
