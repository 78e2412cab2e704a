import contextlib
import math
from decimal import Decimal

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.edge.cbor import MAX_DEPTH, Fields, load_one
from protocols.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        ("", "end of stream"),
        ("00 00", "1 bytes behind"),
        ("9f ff", "indefinite"),
        ("5f ff", "indefinite"),
        ("a2 01 00 01 00", "uplicate"),
        ("a2 01 00 18 01 00", "uplicate"),  # the same key, written longer
        ("a1 f5 00", "keys"),
        ("a1 f9 3c00 00", "keys"),  # 1.0
        ("a1 80 00", "keys"),
        ("61 ff", "utf-8|UTF-8"),
        ("f8 18", "simple value"),  # RFC 8949, appendix F: a simple value below 32 in two bytes
        ("1c", "subtype"),
        ("ff", "break"),
        # lengths that no message has bytes for
        ("9b ffffffffffffffff", "end of stream"),
        ("bb ffffffffffffffff", "end of stream"),
        ("5b ffffffffffffffff", "end of stream"),
        ("7b 7fffffffffffffff", "end of stream"),
        ("9a 7fffffff", "end of stream"),
        # tags that would start another parser, or share what they name
        ("c1 00", "not a tag"),
        ("c2 41 01", "not a tag"),
        ("c5 82 1b 7fffffffffffffff 01", "not a tag"),
        ("d8 1c 80", "not a tag"),
        ("d8 1d 00", "not a tag"),
        ("d8 23 63 2861292b", "not a tag"),
        ("d8 24 60", "not a tag"),
        ("d9 0100 80", "not a tag"),
        ("d9 0102 80", "not a tag"),
        ("d9 d9f7 00", "not a tag"),
        ("c4 82 1b 7fffffffffffffff 01", "exponent"),
        ("c4 82 13 01", "exponent"),
        ("c4 81 01", "exponent"),
        ("c4 82 00 f9 3c00", "exponent"),
        ("c4 82 f5 01", "exponent"),
    ],
)
def test_what_a_strict_protocol_refuses_is_refused(encoded: str, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        load_one(bytes.fromhex(encoded))


def test_nesting_has_an_end() -> None:
    assert load_one(b"\x81" * MAX_DEPTH + b"\x80") is not None
    for deep in (b"\x81" * (MAX_DEPTH + 1) + b"\x80", b"\x81" * 100_000, b"\xa1\x01" * 100_000, b"\xd8\x45" * 100_000):
        with pytest.raises(RemoteProtocolError):
            load_one(deep)


@given(st.binary(max_size=200))
def test_noise_is_an_item_or_refused(noise: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        load_one(noise)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [("c4 82 21 19 6ab3", Decimal("273.15")), ("c4 82 12 20", Decimal("-1E+18")), ("c4 82 31 01", Decimal("1E-18"))],
)
def test_a_decimal_fraction_is_exact(encoded: str, value: Decimal) -> None:
    assert load_one(bytes.fromhex(encoded)) == value  # the first is the example of RFC 8949, 3.4.4


@pytest.mark.parametrize("item", [None, [], 1, "a", b""])
def test_a_message_is_a_map(item: object) -> None:
    with pytest.raises(RemoteProtocolError, match="message: expected a map"):
        Fields(item, "message")


def test_a_true_is_no_integer_and_a_one_no_truth() -> None:
    fields = Fields({1: True, 2: 1}, "message")
    with pytest.raises(RemoteProtocolError, match="message: field 1 is not an integer in"):
        fields.integer(1, 0, 1)
    with pytest.raises(RemoteProtocolError, match="message: field 2 is not a boolean"):
        fields.boolean(2)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary(max_size=9) | st.text(max_size=9),
        lambda items: st.lists(items, max_size=4) | st.dictionaries(st.integers(0, 23), items, max_size=4),
        max_leaves=12,
    )
)
def test_plain_items_read_back(item: object) -> None:
    with contextlib.suppress(RemoteProtocolError):  # deeper than MAX_DEPTH
        assert load_one(cbor2.dumps(item)) == item


def test_a_float_reads_back() -> None:
    assert load_one(cbor2.dumps(math.pi)) == math.pi
