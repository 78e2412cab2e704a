import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from sim_devices.coap.message import Message, Type, decode, post, unsigned

messages = st.builds(
    Message,
    st.sampled_from(Type),
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.binary(max_size=8),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=5).map(
        lambda options: tuple(sorted(options, key=lambda option: option[0]))
    ),
    st.binary(max_size=50),
)


@given(messages)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert decode(message.encode()) == message


@pytest.mark.vectors("CoAP", "RFC 7252, appendix A")
@pytest.mark.parametrize(
    ("message", "octets"),
    [
        # Figure 16: GET /temperature and its answer, "22.3 C"
        (
            Message(Type.CON, 1, 0x7D34, b"", ((11, b"temperature"),)),
            "40017d34" + "bb" + b"temperature".hex(),
        ),
        (Message(Type.ACK, 0x45, 0x7D34, b"", (), b"22.3 C"), "60457d34" + "ff" + b"22.3 C".hex()),
        # Figure 17: the same with the token 0x20
        (Message(Type.CON, 1, 0x7D35, b"\x20", ((11, b"temperature"),)), "41017d3520" + "bb" + b"temperature".hex()),
    ],
)
def test_the_examples_of_the_rfc_are_written_and_read(message: Message, octets: str) -> None:
    assert message.encode().hex() == octets
    assert decode(bytes.fromhex(octets)) == message


def test_a_post_says_where_to_and_what() -> None:
    message = post(1, b"t", "/a/b", 112, b"\x80", Type.NON)
    assert message.options == ((11, b"a"), (11, b"b"), (12, b"\x70"))


@pytest.mark.parametrize(("value", "octets"), [(0, b""), (110, b"n"), (256, b"\1\0")])
def test_an_option_that_is_a_number_has_no_leading_zeros(value: int, octets: bytes) -> None:
    assert unsigned(value) == octets


@pytest.mark.parametrize(
    "octets", ["", "40", "00017d34", "49017d34", "48017d34", "40017d34bb74", "40017d34f0", "40017d34d0"]
)
def test_half_a_message_or_another_protocols_is_refused(octets: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(bytes.fromhex(octets))


@given(st.binary(max_size=40))
def test_no_datagram_breaks_the_reader(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode(data)
