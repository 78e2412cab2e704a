import zlib
from contextlib import suppress
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.edge.desired import MAX_TEXT, Desired, pack, unpack
from protocols.edge.limits import MAX_SEQ, MAX_TIME_MS, MAX_U64
from protocols.edge.messages import decode, encode
from protocols.errors import LocalProtocolError, RemoteProtocolError

ONE = Desired("D1", 5, 7, 1_767_225_600_000, '[[bus]]\nname = "街"\n', 60_000, "user:op", bytes(32), None, True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DESIRED = st.builds(
    Desired,
    gateway=st.just("D1"),
    incarnation=st.integers(1, MAX_U64),
    number=st.integers(1, MAX_SEQ),
    issued=st.integers(0, MAX_TIME_MS),
    text=TEXT,
    trial_ms=st.integers(1000, 3_600_000),
    principal=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200),
    base=st.none() | st.binary(min_size=32, max_size=32),
    expires=st.none() | st.integers(0, MAX_TIME_MS),
    dry=st.booleans(),
)


@given(DESIRED)
def test_what_is_encoded_is_decoded_as_it_was(message: Desired) -> None:
    assert decode(encode(message)) == message


@given(DESIRED, st.data())
def test_a_payload_that_is_cut_anywhere_is_refused(message: Desired, data: st.DataObject) -> None:
    payload = encode(message)
    with pytest.raises(RemoteProtocolError):
        decode(payload[: data.draw(st.integers(0, len(payload) - 1))])


@given(st.binary(max_size=200))
def test_no_bytes_unpack_to_anything_but_a_text_or_an_error(packed: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert isinstance(unpack(packed), str)


def wrong(**fields: object) -> bytes:
    whole = cbor2.loads(encode(ONE))
    return cbor2.dumps(whole | {int(key.removeprefix("f")): value for key, value in fields.items()})


@pytest.mark.parametrize(
    "payload",
    [
        wrong(f7=bytes(32)),
        wrong(f7=bytes(31)),
        wrong(f8=zlib.compress(b"\xff")),
        wrong(f8=zlib.compress(b"x") + b"tail"),
        wrong(f8=zlib.compress(bytes(MAX_TEXT + 1))),
        wrong(f8=b"nonsense"),
        wrong(f9=999),
        wrong(f9=3_600_001),
        wrong(f11=1),
        wrong(f12=b"short"),
        wrong(f3=0),
        wrong(f2=0),
        wrong(f10="x" * 201),
    ],
)
def test_what_the_contract_does_not_allow_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(payload)


def test_a_text_that_no_message_can_carry_is_not_sent() -> None:
    for text in ("x" * (MAX_TEXT + 1), "\ud800"):
        with pytest.raises(LocalProtocolError):
            encode(replace(ONE, text=text))


def test_a_large_configuration_is_small_on_the_way() -> None:
    device = '[[bus.device]]\ncode = "D{0}"\nname = "Meter {0}"\nmodel = "meter_1p"\nunit = {0}\nperiod_s = 1\n'
    text = "".join(device.format(number) for number in range(1000))
    assert len(pack(text)) * 10 < len(text)
