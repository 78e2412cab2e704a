"""What comes down, with everything about it that may be wrong."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.downward import Refused, open_downward
from protocols.edge import cose
from protocols.edge.envelope import Address, seal
from protocols.edge.messages import (
    Acknowledgement,
    AckRange,
    AckStatus,
    Clock,
    ClockState,
    Command,
    Message,
    State,
    encode,
)

GATEWAY, OTHER = "D1101149001000077A", "D1101149001000078B"
KEY = bytes(range(32))
KEYS = {cose.key_id(KEY): KEY}
INCARNATION = 0x1234

COMMAND = Command(GATEWAY, INCARNATION, 1, bytes(16), 1, 2, "D1", "relay", Decimal("1.5"), "someone")
ACKNOWLEDGEMENT = Acknowledgement(GATEWAY, INCARNATION, (AckRange(1, 2, AckStatus.STORED, bytes(8)),))
STATE = State(GATEWAY, INCARNATION, bytes(16), 1, 1, True, 1, Clock(ClockState.UNSET), 1, 1)


def sealed(message: Message, leaf: str, key: bytes = KEY, gateway: str = GATEWAY) -> bytes:
    return seal(Address(gateway, leaf), encode(message), key)


@pytest.mark.parametrize(("message", "leaf"), [(COMMAND, "cmd"), (ACKNOWLEDGEMENT, "ack")])
def test_what_is_right_in_everything_is_opened(message: Message, leaf: str) -> None:
    topic = f"hutong/1/{GATEWAY}/{leaf}"
    assert open_downward(GATEWAY, KEYS, INCARNATION, topic, sealed(message, leaf), retained=False) == message


@pytest.mark.parametrize(
    ("cause", "topic", "payload", "retained"),
    [
        ("retained", f"hutong/1/{GATEWAY}/cmd", sealed(COMMAND, "cmd"), True),
        ("topic", f"hutong/1/{OTHER}/cmd", sealed(COMMAND, "cmd", gateway=OTHER), False),
        ("topic", f"hutong/1/{GATEWAY}/data", sealed(COMMAND, "cmd"), False),
        ("topic", "elsewhere", sealed(COMMAND, "cmd"), False),
        ("topic", "forged\nlines of a log", sealed(COMMAND, "cmd"), True),
        ("seal", f"hutong/1/{GATEWAY}/cmd", sealed(COMMAND, "cmd", key=bytes(32)), False),
        ("seal", f"hutong/1/{GATEWAY}/cmd", sealed(COMMAND, "ack"), False),
        ("seal", f"hutong/1/{GATEWAY}/cmd", sealed(COMMAND, "cmd", gateway=OTHER), False),
        ("seal", f"hutong/1/{GATEWAY}/ack", sealed(COMMAND, "ack"), False),
        ("seal", f"hutong/1/{GATEWAY}/cmd", sealed(STATE, "cmd"), False),
        ("seal", f"hutong/1/{GATEWAY}/cmd", b"", False),
    ],
)
def test_what_is_wrong_in_one_thing_is_refused_by_its_cause(
    cause: str, topic: str, payload: bytes, retained: bool
) -> None:
    with pytest.raises(Refused) as refused:
        open_downward(GATEWAY, KEYS, INCARNATION, topic, payload, retained)
    assert refused.value.cause == cause
    assert str(refused.value).isprintable()


def test_another_incarnations_message_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        open_downward(GATEWAY, KEYS, 1, f"hutong/1/{GATEWAY}/cmd", sealed(COMMAND, "cmd"), retained=False)
    assert refused.value.cause == "incarnation"


@given(st.binary(max_size=300), st.sampled_from(["cmd", "ack"]))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes, leaf: str) -> None:
    with pytest.raises(Refused):
        open_downward(GATEWAY, KEYS, INCARNATION, f"hutong/1/{GATEWAY}/{leaf}", noise, retained=False)


@given(st.data())
def test_a_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    whole = bytearray(sealed(COMMAND, "cmd"))
    at = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[at // 8] ^= 1 << at % 8
    try:
        opened = open_downward(GATEWAY, KEYS, INCARNATION, f"hutong/1/{GATEWAY}/cmd", bytes(whole), retained=False)
    except Refused:
        return
    # The MAC leaves out COSE's tag and unprotected header: a change there may pass, if it changes nothing.
    assert opened == COMMAND
