import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.mbus.vif import FIRST, PRIMARY, SECOND, ValueInfo, parse_block, value_block


def parsed(block: str, rest: bytes = b"") -> ValueInfo:
    raw = bytes.fromhex(block)
    info, end = parse_block(raw + rest, 0)
    assert end == len(raw)
    return info


@pytest.mark.parametrize(
    ("block", "quantity", "unit", "exponent"),
    [
        ("06", "energy", "Wh", 3),
        ("13", "volume", "m3", -3),
        ("59", "flow_temperature", "Cel", -2),
        ("2d", "power", "W", 2),
        ("3b", "volume_flow", "m3/h", -3),
        ("22", "on_time", "h", 0),
        ("fd49", "voltage", "V", 0),
        ("fd59", "current", "A", -3),
        ("fb00", "energy", "Wh", 5),
        ("fb1a", "relative_humidity", "%RH", -1),
    ],
)
def test_published_blocks(block: str, quantity: str, unit: str, exponent: int) -> None:
    assert parsed(block)[:3] == (quantity, unit, exponent)
    assert value_block(quantity, unit, exponent) == bytes.fromhex(block)


def test_every_block_of_the_tables_survives_the_wire() -> None:
    for info in (*PRIMARY.values(), *SECOND.values(), *FIRST.values()):
        assert parsed(value_block(*info[:3]).hex())[:3] == info[:3]


def test_factors_join_the_exponent_and_all_else_stays_as_modifiers() -> None:
    assert parsed("933b") == ValueInfo("volume", "m3", -3, modifiers=b"\x3b")
    assert parsed("9374") == ValueInfo("volume", "m3", -5)
    assert parsed("937d") == ValueInfo("volume", "m3", 0)
    assert parsed("9379").modifiers == b"\x79"  # an additive constant is not the value
    assert parsed("fdc9ff01") == ValueInfo("voltage", "V", 0, modifiers=b"\x7f\x01")


def test_behind_the_makers_mark_nothing_is_interpreted() -> None:
    assert parsed("93ff74") == ValueInfo("volume", "m3", -3, modifiers=b"\x7f\x74")
    assert parsed("ff13")[:2] == ("manufacturer", "")


def test_an_error_in_a_vife_is_told() -> None:
    assert parsed("9315").fault == "no data available"
    assert parsed("9300").fault == ""


def test_reserved_codes_are_unknown_but_measured() -> None:
    assert parsed("6f").quantity == "unknown"
    assert parsed("fdfd01").quantity == "unknown"
    assert parsed("ef01").quantity == "unknown"


def test_a_unit_in_words_is_read_in_either_place() -> None:
    assert parsed("fc0348522574", b"\xd4\x11") == ValueInfo("text", "%RH", -2)
    assert parsed("7c0143", b"\xf3\x0d\x00\x00") == ValueInfo("text", "C")
    assert parsed("fc2003434241", b"\x15\x31\x00") == ValueInfo("text", "ABC", modifiers=b"\x20")


@pytest.mark.parametrize(
    "block", ["", "93", "fd", "fdc9", "9380808080808080808080800000", "7c", "7c05", "7c0241", "fc"]
)
def test_a_block_that_is_cut_or_too_long_is_refused(block: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_block(bytes.fromhex(block), 0)


@given(st.binary(max_size=30))
def test_any_bytes_are_a_block_or_are_refused(raw: bytes) -> None:
    try:
        _, end = parse_block(raw, 0)
    except RemoteProtocolError:
        return
    assert 0 < end <= len(raw)


def test_what_no_vif_says_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError):
        value_block("energy", "Wh", -9)
