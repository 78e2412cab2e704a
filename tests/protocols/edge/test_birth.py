import hashlib
import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.edge.birth import (
    ChannelDescription,
    Description,
    DeviceDescription,
    Kind,
    decode_description,
    description_hash,
    encode_description,
)
from protocols.edge.columns import F32LE, VALUE_TAGS
from protocols.errors import RemoteProtocolError

LAMP = DeviceDescription("B11011401180001239", "lamp_controller", "Pole 1 lamp", "pole-line", (23, 2**63))
POWER = ChannelDescription(
    alias=1,
    device=0,
    name="lamp_power",
    quantity="3305",
    unit="W",
    kind=Kind.GAUGE,
    tag=F32LE,
    scale=0,
    period_ms=1000,
    limits=(0.0, 400.0),
    title={"en": "Lamp power", "zh": "灯功率"},
)

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=16)
titles = st.dictionaries(words, words, max_size=2)
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def descriptions(draw: st.DrawFn) -> Description:
    codes = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    cells = st.none() | st.tuples(st.integers(0, 32), st.integers(0, 2**64 - 1))
    devices = tuple(
        DeviceDescription(code, draw(words), draw(words), draw(words), draw(cells), draw(st.none() | words))
        for code in codes
    )
    names = draw(st.lists(st.tuples(st.integers(0, len(devices) - 1), words), max_size=6, unique=True))
    channels = tuple(
        ChannelDescription(
            alias=alias,
            device=device,
            name=name,
            quantity=draw(words),
            unit=draw(words),
            kind=draw(st.sampled_from(Kind)),
            tag=draw(st.sampled_from(sorted(VALUE_TAGS))),
            scale=draw(st.integers(-18, 18)),
            period_ms=draw(st.integers(0, 2**31)),
            writable=draw(st.booleans()),
            limits=draw(st.none() | st.tuples(finite, finite).map(lambda pair: (min(pair), max(pair)))),
            title=draw(titles),
            states=draw(st.dictionaries(st.integers(-9, 9), titles, max_size=2)),
            rollover=draw(st.none() | st.integers(1, 2**63 - 1)),
        )
        for alias, (device, name) in enumerate(names)
    )
    return Description(devices, channels)


@given(descriptions())
def test_every_description_reads_back_and_keeps_its_hash(description: Description) -> None:
    encoded = encode_description(description)
    assert decode_description(encoded) == description
    assert encode_description(decode_description(encoded)) == encoded
    assert description_hash(encoded) == hashlib.sha256(encoded).digest()


def changed(part: int, key: int, value: object) -> bytes:
    """The lamp's description with one field changed: part 1 its device, part 2 its channel."""
    fields = cbor2.loads(encode_description(Description((LAMP,), (POWER,))))
    fields[part][0][key] = value
    return cbor2.dumps(fields)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        (1, 1, 5),
        (1, 3, "NUL\0"),
        (1, 4, "x" * 65),
        (1, 5, [33, 0]),
        (1, 5, [23, 2**64 - 1, 0]),
        (1, 5, [True, 0]),
        (1, 6, 5),
        (2, 1, 65536),
        (2, 2, 1),
        (2, 6, 3),
        (2, 7, 69),
        (2, 8, 19),
        (2, 9, -1),
        (2, 10, 1),
        (2, 11, [1.0]),
        (2, 11, [2.0, 1.0]),
        (2, 11, [0.0, math.inf]),
        (2, 11, [math.nan, 1.0]),
        (2, 12, {"en": 5}),
        (2, 12, ["en"]),
        (2, 12, {"en": "x" * 201}),
        (2, 13, {"open": {"en": "open"}}),
        (2, 13, {1: "open"}),
    ],
)
def test_a_field_out_of_its_bounds_is_refused(part: int, key: int, value: object) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_description(changed(part, key, value))


def test_the_same_alias_device_or_name_does_not_stand_twice() -> None:
    namesake = ChannelDescription(2, 0, "lamp_power", "", "", Kind.GAUGE, F32LE, 0, 0)
    other = ChannelDescription(2, 0, "lamp_current", "3317", "A", Kind.GAUGE, F32LE, 0, 1000)
    for devices, channels, reason in [
        ((LAMP, LAMP), (POWER,), "device stands twice"),
        ((LAMP,), (POWER, POWER), "alias stands for two"),
        (
            (LAMP,),
            (POWER, namesake),
            "name stands twice",
        ),
        ((), (other,), "not described"),
    ]:
        with pytest.raises(RemoteProtocolError, match=reason):
            decode_description(encode_description(Description(devices, channels)))


@given(st.binary(max_size=100))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_description(noise)
