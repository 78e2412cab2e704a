import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.outside import wire
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.stream import NEED_DATA

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
messages = st.lists(st.tuples(st.integers(0, 2**40), st.text(max_size=9), st.lists(values, max_size=3)), max_size=4)


@given(messages, st.data())
def test_messages_arrive_whole_and_in_order_however_the_stream_is_cut(
    sent: list[tuple[int, str, list[object]]], data: st.DataObject
) -> None:
    wanted: list[list[object]] = [[number, verb, *arguments] for number, verb, arguments in sent]
    stream = b"".join(map(wire.encode, wanted))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    decoder, found = wire.Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.receive_data(stream[start:end])
        while (message := decoder.next_message()) is not NEED_DATA:
            found.append(message)
    assert found == wanted


@given(st.binary(max_size=64))
def test_noise_is_refused_or_waited_for_and_never_anything_else(noise: bytes) -> None:
    decoder = wire.Decoder()
    decoder.receive_data(noise)
    try:
        message = decoder.next_message()
    except RemoteProtocolError:
        return
    assert message is NEED_DATA or isinstance(message, list)


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come() -> None:
    decoder = wire.Decoder()
    decoder.receive_data((wire.MAX_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(RemoteProtocolError, match="1048577 bytes"):
        decoder.next_message()


@pytest.mark.parametrize("item", [b"\x00", b"\x81\x01", b"\x82\x61a\x01", b"\xa0"])
def test_what_is_no_numbered_message_is_refused(item: bytes) -> None:
    decoder = wire.Decoder()
    decoder.receive_data(len(item).to_bytes(4, "big") + item)
    with pytest.raises(RemoteProtocolError, match="a message is an array"):
        decoder.next_message()


@pytest.mark.parametrize("argument", [object(), b"x" * (wire.MAX_BYTES + 1)])
def test_what_cannot_travel_is_refused_where_it_starts(argument: object) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be handed over"):
        wire.encode([1, "read", argument])
