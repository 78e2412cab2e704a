from protocols.mbus.frame import encode_frame
from protocols.mbus.header import Secondary
from protocols.mbus.requests import initialise, request_data, select


def test_requests_are_the_published_ones() -> None:
    assert encode_frame(initialise(1)) == bytes.fromhex("1040014116")
    assert encode_frame(request_data(1, False)) == bytes.fromhex("105b015c16")
    assert encode_frame(request_data(1, True)) == bytes.fromhex("107b017c16")


def test_a_selection_goes_to_253_with_the_secondary_address() -> None:
    encoded = encode_frame(select(Secondary.parse("12345678")))
    assert encoded == bytes.fromhex("680b0b6853fd5278563412ffffffffb216")
