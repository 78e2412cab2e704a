from hypothesis import given
from hypothesis import strategies as st

from sim_devices.line_noise import at_half_speed, collide, turn_bit


@given(st.binary(min_size=1, max_size=64), st.data())
def test_a_bit_turned_twice_is_as_it_was(data: bytes, drawn: st.DataObject) -> None:
    bit = drawn.draw(st.integers(0, 8 * len(data) - 1))
    assert turn_bit(data, bit) != data
    assert turn_bit(turn_bit(data, bit), bit) == data


@given(st.binary(min_size=1, max_size=64))
def test_at_half_the_speed_more_is_heard_than_was_said_and_its_bits_come_in_pairs(data: bytes) -> None:
    heard = at_half_speed(data)
    assert len(data) <= len(heard) <= 2 * len(data) + 1
    for byte in heard:
        bits = [0, *(byte >> place & 1 for place in range(7))]
        assert all(bits[place] == bits[place + 1] for place in range(0, 8, 2))


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_a_collision_is_never_longer_than_both_and_a_byte(one: bytes, other: bytes) -> None:
    assert len(collide(one, other)) <= len(one) + len(other) + 1


def test_a_device_that_collides_with_itself_is_not_understood() -> None:
    frame = bytes.fromhex("0103020064b9af")
    assert collide(frame, frame) != frame
