import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.senml.json_form import decode_json, encode_json
from protocols.senml.record import MAX_BYTES, MAX_RECORDS, Record
from tests.protocols.senml.rfc8428 import EXAMPLES, TYPES, Example
from tests.protocols.senml.strategies import packs


@given(packs)
def test_a_pack_survives_the_wire(pack: list[Record]) -> None:
    assert decode_json(encode_json(pack)) == pack


@given(packs)
def test_what_is_written_is_json(pack: list[Record]) -> None:
    assert len(json.loads(encode_json(pack))) == len(pack)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.section)
def test_the_examples_of_the_rfc_survive_being_written(example: Example) -> None:
    records = decode_json(example.sent.encode())
    assert decode_json(encode_json(records)) == records


def test_every_type_of_value_is_read() -> None:
    values = [record.value for record in decode_json(TYPES.sent.encode())]
    assert values == [Decimal("23.1"), "Machine Room", False, b"hi \n"]


def test_a_decimal_never_passes_through_a_float() -> None:
    (record,) = decode_json(b'[{"n":"energy","v":999999999999999.99}]')
    assert record.value == Decimal("999999999999999.99")
    assert encode_json([record]) == b'[{"n":"energy","v":999999999999999.99}]'


def test_an_integer_stays_an_integer() -> None:
    (record,) = decode_json(b'[{"n":"count","v":18446744073709551615}]')
    assert type(record.value) is int
    assert record.value == 2**64 - 1


def test_an_exponent_is_written_in_lower_case() -> None:
    assert encode_json([Record("a", None, Decimal("1.5E+30"))]) == b'[{"n":"a","v":1.5e+30}]'


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"", "not a JSON text"),
        (b"{}", "array of 1 to"),
        (b"[]", "array of 1 to"),
        (b"[1]", "record 1: not an object"),
        (b'[{"n":"a","v":1},[]]', "record 2: not an object"),
        (b'[{"n":"a","v":1}', "not a JSON text"),
        (b'[{"n":"a","v":1}] []', "not a JSON text"),
        (b'[{"n":"a","n":"b","v":1}]', "same name twice"),
        (b'[{"n":"a","v":NaN}]', "NaN is no number"),
        (b'[{"n":"a","v":-Infinity}]', "Infinity is no number"),
        (b'[{"n":"a","v":1e999}]', "range of doubles"),
        (b'[{"n":"a","v":1e99999999999999999999}]', "out of all bounds"),
        (b'[{"n":"a","v":"1"}]', "field 'v'"),
        (b'[{"n":"a","vd":"aGkgCg=="}]', "without padding"),
        (b'[{"n":"a","vd":"a+/g"}]', "base64url"),
        (b'[{"n":"a","vd":"a"}]', "base64url"),
        (b'[{"n":"a","vd":7}]', "base64url"),
        (b'[{"n":"a","vs":"\xff"}]', "not UTF-8 at byte 16"),
        (b'[{"n":"a","vs":"\\ud83d"}]', "field 'vs'"),
        ('[{"n":"a","v":1}]'.encode("utf-16"), "not UTF-8"),
    ],
)
def test_what_is_no_pack_is_refused_with_its_cause(text: bytes, cause: str) -> None:
    with pytest.raises(RemoteProtocolError, match=cause):
        decode_json(text)


@pytest.mark.parametrize(
    ("head", "repeated", "times", "tail", "cause"),
    [
        (b'[{"n":"a","v":', b"1", 5000, b"}]", "5000 characters"),
        (b'[{"n":"a","v":0.', b"1", 5000, b"}]", "5002 characters"),
        (b"", b"[", 30_000, b"", "not a JSON text"),
        (b"", b" ", MAX_BYTES + 1, b"", "65536 are allowed"),
        (b"[", b"{},", MAX_RECORDS, b"{}]", "array of 1 to"),
    ],
)
def test_depth_and_size_are_bounded(head: bytes, repeated: bytes, times: int, tail: bytes, cause: str) -> None:
    with pytest.raises(RemoteProtocolError, match=cause):
        decode_json(head + repeated * times + tail)


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:ntvbus01.e-_').map(str.encode))
def test_no_input_breaks_the_decoder(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode_json(data)


@pytest.mark.parametrize(
    "record", [Record(name="a b", value=1), Record(name="a"), Record(name="a", value=Decimal("NaN"))]
)
def test_what_no_receiver_may_take_is_not_written(record: Record) -> None:
    with pytest.raises(LocalProtocolError, match="record 1"):
        encode_json([record])
