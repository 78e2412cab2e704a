import json

import pytest

from drivers.base import Nonsense, Stranger
from drivers.coap.inbox import MAX_WAITING, Answer, Arrival, Inbox, Rejected
from drivers.coap.model import SenmlModel
from drivers.coap.settings import Access
from protocols.senml.record import MAX_BYTES
from tests.drivers.coap.conftest import JSON, METER
from tests.protocols.senml.rfc8428 import NOW

ARRIVAL = Arrival("127.0.0.1:9", True, None, ("senml",), JSON, NOW.sent.encode(), b"1")
PLAIN = Access({}, plain=True)


def inbox_of(model: SenmlModel, access: Access = PLAIN) -> Inbox:
    return Inbox(access, {METER: model}, now=lambda: 1_790_000_000.0)


async def test_a_pack_becomes_a_report(power: SenmlModel) -> None:
    inbox = inbox_of(power)
    inbox.take(ARRIVAL)
    report = await inbox.next()
    assert report.unit == METER


@pytest.mark.parametrize(
    ("access", "changed", "answer", "kind"),
    [
        (PLAIN, {"is_loopback": False}, Answer.UNAUTHORIZED, Stranger),
        (Access({}, plain=False), {}, Answer.UNAUTHORIZED, Stranger),
        (Access({METER: None}, plain=True), {}, Answer.UNAUTHORIZED, Stranger),  # type: ignore[dict-item]
        (PLAIN, {"sender": "other"}, Answer.FORBIDDEN, Stranger),
        (PLAIN, {"path": ("nobody",)}, Answer.NOT_FOUND, Stranger),
        (PLAIN, {"payload": b'[{"n":"who","v":1}]'}, Answer.NOT_FOUND, Stranger),
        (PLAIN, {"content_format": None}, Answer.UNSUPPORTED_CONTENT_FORMAT, Nonsense),
        (PLAIN, {"content_format": 50}, Answer.UNSUPPORTED_CONTENT_FORMAT, Nonsense),
        (PLAIN, {"payload": b"nonsense"}, Answer.BAD_REQUEST, Nonsense),
        (PLAIN, {"payload": b'[{"n":"x_","v_":1}]'}, Answer.BAD_REQUEST, Nonsense),
    ],
)
async def test_who_is_turned_away_is_told_why_and_so_is_the_gateway(
    power: SenmlModel, access: Access, changed: dict[str, object], answer: Answer, kind: type[Nonsense]
) -> None:
    inbox = inbox_of(power, access)
    with pytest.raises(Rejected) as rejected:
        inbox.take(ARRIVAL._replace(**changed))  # type: ignore[arg-type]
    assert rejected.value.answer is answer
    with pytest.raises(kind, match=r"127\.0\.0\.1:9") as told:
        await inbox.next()
    assert type(told.value) is kind


def test_more_than_the_gateway_can_take_is_told_to_come_again(power: SenmlModel) -> None:
    inbox = inbox_of(power)
    for number in range(MAX_WAITING):
        inbox.take(ARRIVAL._replace(reception=b"%d" % number))
    with pytest.raises(Rejected) as rejected:
        inbox.take(ARRIVAL)
    assert rejected.value.answer is Answer.SERVICE_UNAVAILABLE


def test_a_device_whose_backlog_comes_too_fast_is_told_to_come_again(power: SenmlModel) -> None:
    inbox = inbox_of(power)
    pack = [{"n": f"{METER}:voltage", "v": 1, "t": -second} for second in range(600)]
    backlog = ARRIVAL._replace(payload=json.dumps(pack).encode())
    inbox.take(backlog)
    with pytest.raises(Rejected) as rejected:
        inbox.take(backlog._replace(reception=b"2"))
    assert rejected.value.answer is Answer.SERVICE_UNAVAILABLE


def test_a_flood_of_strangers_leaves_room_for_reports(power: SenmlModel) -> None:
    inbox = inbox_of(power)
    for _ in range(2 * MAX_WAITING):
        with pytest.raises(Rejected):
            inbox.take(ARRIVAL._replace(is_loopback=False))
    inbox.take(ARRIVAL)


def test_a_payload_is_turned_away_before_it_is_whole(power: SenmlModel) -> None:
    inbox = inbox_of(power)
    inbox.limit("127.0.0.1:9", MAX_BYTES)
    with pytest.raises(Rejected) as rejected:
        inbox.limit("127.0.0.1:9", MAX_BYTES + 1)
    assert rejected.value.answer is Answer.TOO_LARGE
