from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from protocols.senml.cbor_form import decode_cbor
from protocols.senml.resolve import Measurement, resolve
from sim_devices.clock import Now
from sim_devices.coap.message import Message, Type, decode
from sim_devices.coap.sender import ACK_RANDOM_FACTOR, ACK_TIMEOUT_S, EVERY_S, KEPT, MAX_RETRANSMIT, MOMENTS, Sender
from sim_devices.faults import Fault, Faults, Kind, Send
from sim_devices.models.base import Options
from sim_devices.models.senml_sensors import ManholeCover

UNIT = "urn:dev:mac:0024befffe804ff1"
START_MS = 1_790_000_000_000
CHANGED, BAD_REQUEST, UNAVAILABLE = 0x44, 0x80, 0xA3


def at(seconds: float) -> Now:
    return Now(seconds, START_MS + round(seconds * 1000), START_MS)


class Rig:
    def __init__(self) -> None:
        self.faults = Faults(1)
        self.device = ManholeCover("D1", Options(), np.random.default_rng(1))
        self.device.values = {"cover": False, "tilt": 1.0, "water_level": 0.25, "battery": 3.55}
        self.sender = Sender(UNIT, self.device, self.faults, np.random.default_rng(2))

    def look(self, seconds: float) -> list[Message]:
        return [decode(send.data) for send in self.sender.look(at(seconds)) if send.data]

    def answer(self, message: Message, code: int, seconds: float) -> list[Send]:
        return self.sender.heard(Message(Type.ACK, code, message.id, message.token), at(seconds))


def measurements(message: Message) -> list[Measurement]:
    return resolve(decode_cbor(message.payload))


def test_what_is_measured_is_sent_under_its_own_name_and_time() -> None:
    rig = Rig()
    (message,) = rig.look(0.0)
    assert {m.name: (m.value, m.unit) for m in measurements(message)} == {
        f"{UNIT}:open": (False, None),
        f"{UNIT}:tilt": (Decimal("1.0"), "deg"),
        f"{UNIT}:level": (Decimal("0.25"), "m"),
        f"{UNIT}:battery": (Decimal("3.55"), "V"),
    }
    assert {m.time for m in measurements(message)} == {START_MS // 1000}


def test_it_reports_at_its_period_and_at_once_when_the_cover_moves() -> None:
    rig = Rig()
    (first,) = rig.look(0.0)
    rig.answer(first, CHANGED, 0.1)
    assert rig.look(EVERY_S / 2) == []
    rig.device.values["cover"] = True
    (urgent,) = rig.look(EVERY_S / 2 + 1)
    assert measurements(urgent)[0].value is True
    assert rig.sender.taken == 1


def test_it_repeats_the_same_message_with_growing_pauses_until_it_is_answered() -> None:
    rig = Rig()
    sent = [(0.0, message) for message in rig.look(0.0)]
    second = 0.0
    while len(sent) <= MAX_RETRANSMIT:
        second += 0.25
        sent += [(second, message) for message in rig.look(second)]
    assert len({message.id for _, message in sent}) == 1
    pauses = [after - before for (before, _), (after, _) in pairwise(sent)]
    for number, pause in enumerate(pauses):
        assert ACK_TIMEOUT_S * 2**number <= pause <= ACK_TIMEOUT_S * ACK_RANDOM_FACTOR * 2**number + 0.25
    rig.answer(sent[0][1], CHANGED, second)
    assert rig.sender.taken == 1


def test_what_was_not_taken_goes_again_in_a_new_message_with_what_came_since() -> None:
    rig = Rig()
    (first,) = rig.look(0.0)
    later = first
    for second in range(1, 120):
        for message in rig.look(float(second)):
            later = message
    assert later.id != first.id
    times = {m.time for m in measurements(later)}
    assert START_MS // 1000 in times
    assert len(times) > 1


def test_a_gateway_that_is_away_for_long_costs_the_oldest() -> None:
    rig = Rig()
    messages = [message for second in range(int(EVERY_S * KEPT * 2)) for message in rig.look(float(second))]
    times = [m.time for m in measurements(messages[-1])]
    assert len(set(times)) == MOMENTS
    assert min(times) > START_MS // 1000 + EVERY_S * KEPT * 0.8


def test_a_refusal_is_final_and_a_busy_gateway_is_not() -> None:
    rig = Rig()
    (first,) = rig.look(0.0)
    rig.answer(first, UNAVAILABLE, 0.1)
    (again,) = rig.look(1.0)
    assert [m.time for m in measurements(again)] == [m.time for m in measurements(first)]
    rig.answer(again, BAD_REQUEST, 1.1)
    assert rig.look(2.0) == []
    assert rig.sender.refused == 1


def test_an_answer_to_another_message_changes_nothing() -> None:
    rig = Rig()
    (first,) = rig.look(0.0)
    assert rig.answer(replace(first, id=first.id ^ 1), CHANGED, 0.1) == []
    assert rig.sender.taken == 0


@pytest.mark.parametrize(
    ("kind", "count"),
    [(Kind.SILENT, 0), (Kind.DUPLICATE, 2), (Kind.LATE, 1), (Kind.WRONG_UNIT, 1), (Kind.WRONG_CRC, 1)],
)
def test_a_fault_strikes_what_is_sent(kind: Kind, count: int) -> None:
    rig = Rig()
    rig.faults.add("D1", Fault(kind))
    sends = rig.sender.look(at(0.0))
    assert len(sends) == count
    if kind is Kind.WRONG_UNIT:
        assert measurements(decode(sends[0].data))[0].name == f"{UNIT}x:open"
    if kind is Kind.DUPLICATE:
        assert sends[0] == sends[1]
    if kind is Kind.LATE:
        assert sends[0].after > 1
