import contextlib
import math
from decimal import Decimal

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.senml.cbor_form import decode_cbor, encode_cbor
from protocols.senml.json_form import decode_json
from protocols.senml.record import MAX_BYTES, Record
from protocols.senml.resolve import resolve
from tests.protocols.senml.rfc8428 import EXAMPLES, SECONDS, SECONDS_CBOR, Example
from tests.protocols.senml.strategies import packs


@given(packs)
def test_a_pack_survives_the_wire(pack: list[Record]) -> None:
    assert decode_cbor(encode_cbor(pack)) == pack


@given(packs)
def test_another_reader_of_cbor_reads_what_is_written(pack: list[Record]) -> None:
    assert [len(item) for item in cbor2.loads(encode_cbor(pack))] == [len(list(record.fields())) for record in pack]


@pytest.mark.vectors("SenML", "RFC 8428, sections 2, 5.1 and 6")
def test_the_example_of_the_rfc_is_read() -> None:
    assert resolve(decode_cbor(SECONDS_CBOR)) == resolve(decode_json(SECONDS.sent.encode()))


@pytest.mark.vectors("SenML", "RFC 8428, sections 2, 5.1 and 6")
def test_the_example_of_the_rfc_is_written_byte_for_byte() -> None:
    written = encode_cbor(decode_cbor(SECONDS_CBOR))
    assert written == SECONDS_CBOR


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.section)
def test_json_and_cbor_say_the_same(example: Example) -> None:
    records = decode_json(example.sent.encode())
    assert decode_cbor(encode_cbor(records)) == records


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (Decimal("1.5"), "f93e00"),
        (Decimal("100000.5"), "fa47c35040"),
        (Decimal("120.1"), "fb405e066666666666"),
        (Decimal("999999999999999.99"), "c482211b016345785d89ffff"),
        (2**64 - 1, "1bffffffffffffffff"),
        (-(2**64), "3bffffffffffffffff"),
    ],
)
def test_a_number_takes_its_shortest_exact_form(value: Decimal | int, octets: str) -> None:
    assert encode_cbor([Record("a", None, value)]).hex() == "81a200616102" + octets


def test_a_decimal_fraction_stands_for_itself() -> None:
    (record,) = decode_cbor(bytes.fromhex("81a200616102c4822119d964"))
    assert record.value == Decimal("556.52")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "not valid CBOR"),
        (bytes.fromhex("80"), "array of 1 to"),
        (bytes.fromhex("a0"), "array of 1 to"),
        (bytes.fromhex("8101"), "record 1: not an object"),
        (bytes.fromhex("9fa2006161020aff"), "not valid CBOR"),  # indefinite: a stream, which is another media type
        (bytes.fromhex("81a20061610201ff"), "behind the CBOR item"),
        (bytes.fromhex("81a200616102f97e00"), "nan is no number"),
        (bytes.fromhex("81a200616102f97c00"), "inf is no number"),
        (bytes.fromhex("81a200616102c2420100"), "not valid CBOR"),  # a big number
        (bytes.fromhex("81a200616102c48219ffff01"), "exponents end at 18"),
        (bytes.fromhex("81a300616102010203"), "not valid CBOR"),  # v twice
        (bytes.fromhex("81a200616104f5") + b"\0", "1 bytes behind"),
        (bytes.fromhex("81a2006161617601"), "under its text"),
        (bytes.fromhex("81a20061610401"), "field 'vb'"),
        (bytes.fromhex("81a20061610861aa"), "not valid CBOR"),
        (bytes.fromhex("81a2006161086161"), "field 'vd'"),
        (bytes.fromhex("81a300616102016278" + "5f01"), "'x_' must be understood"),
        (b"\x81" * 40, "not valid CBOR"),
    ],
)
def test_what_is_no_pack_is_refused_with_its_cause(data: bytes, cause: str) -> None:
    with pytest.raises(RemoteProtocolError, match=cause):
        decode_cbor(data)


def test_size_is_bounded() -> None:
    with pytest.raises(RemoteProtocolError, match="65536 are allowed"):
        decode_cbor(bytes(MAX_BYTES + 1))


def test_an_integer_label_that_nobody_knows_is_left_out() -> None:
    assert decode_cbor(bytes.fromhex("81a3006161020109a0")) == [Record(name="a", value=1)]


@given(st.binary(max_size=60))
def test_no_input_breaks_the_decoder(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode_cbor(data)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (Decimal("1.00000000000000000001e-30"), "exponent"),
        (Decimal("1234567890123456789012.5"), "64 bits"),
        (2**64, "64 bits"),
    ],
)
def test_a_number_that_would_have_to_be_rounded_is_not_written(value: Decimal | int, cause: str) -> None:
    with pytest.raises(LocalProtocolError, match=cause):
        encode_cbor([Record("a", None, value)])


def test_nan_is_not_written() -> None:
    with pytest.raises(LocalProtocolError, match="field 'v'"):
        encode_cbor([Record("a", None, Decimal(str(math.nan)))])
