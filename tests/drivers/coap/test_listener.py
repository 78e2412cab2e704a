import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiocoap
import pytest

from drivers.base import LineDown, Nonsense, Stranger
from drivers.coap.listener import CoapListener
from drivers.coap.model import SenmlModel
from drivers.coap.settings import Access
from protocols.senml.cbor_form import encode_cbor
from protocols.senml.json_form import decode_json
from sim_devices.coap.message import BLOCK1, Message, Type, unsigned
from tests.drivers.coap.conftest import CBOR, METER, Connect, free_port
from tests.protocols.senml.rfc8428 import NOW


@contextlib.asynccontextmanager
async def listening(model: SenmlModel, access: Access) -> AsyncIterator[tuple[Any, int]]:
    port = free_port()
    listener = CoapListener(f"127.0.0.1:{port}", access, {METER: model})
    await listener.open()
    try:
        yield listener, port
    finally:
        await listener.close()


PLAIN = Access({}, plain=True)


async def next_of(listener: Any) -> Any:
    async with asyncio.timeout(5):
        return await listener.next()


@pytest.mark.parametrize("path", ["senml", METER])
@pytest.mark.parametrize("form", ["json", "cbor"])
async def test_a_pack_of_the_rfc_is_taken_in_either_form(
    power: SenmlModel, connect: Connect, form: str, path: str
) -> None:
    async with listening(power, PLAIN) as (listener, port):
        sensor = await connect(port)
        if form == "json":
            answer = await sensor.post(path, NOW.sent.encode())
        else:
            answer = await sensor.post(path, encode_cbor(decode_json(NOW.sent.encode())), CBOR)
        assert answer.code_text == "2.04"
        report = await next_of(listener)
        ((age, readings),) = report.moments
        assert (report.unit, age) == (METER, 0)
        assert {reading.channel: reading.value for reading in readings} == {0: 1201, 1: 12}


@pytest.mark.parametrize(
    ("path", "pack", "content_format", "code", "words"),
    [
        ("senml", b"[{]", 110, "4.00", "not a JSON text"),
        ("senml", [{"n": METER + ":voltage", "v": 1, "u": "mV"}], 110, "4.00", "the unit is 'mV', not 'V'"),
        ("senml", b"", 0, "4.15", "110 (SenML+JSON) and 112"),
        ("senml", [{"n": "who", "v": 1}], 110, "4.04", "no device of that name"),
        ("elsewhere", [{"n": "who", "v": 1}], 110, "4.04", "post to /senml"),
    ],
)
async def test_a_sender_is_told_what_was_wrong(
    power: SenmlModel, connect: Connect, path: str, pack: object, content_format: int, code: str, words: str
) -> None:
    async with listening(power, PLAIN) as (listener, port):
        answer = await (await connect(port)).post(path, pack, content_format)
        assert (answer.code_text, words in answer.payload.decode()) == (code, True)
        with pytest.raises(Nonsense):
            await next_of(listener)


async def test_a_message_that_comes_twice_is_answered_twice_and_taken_once(power: SenmlModel, connect: Connect) -> None:
    async with listening(power, PLAIN) as (listener, port):
        sensor = await connect(port)
        request = sensor.request("senml", NOW.sent.encode())
        answers = [await sensor.exchange(request) for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        await next_of(listener)
        await sensor.post("senml", b"[{]")
        with pytest.raises(Nonsense):  # of the post behind it: nothing of the repeats is waiting
            await next_of(listener)


async def test_a_non_confirmable_report_is_taken(power: SenmlModel, connect: Connect) -> None:
    async with listening(power, PLAIN) as (listener, port):
        sensor = await connect(port)
        await sensor.exchange(sensor.request("senml", NOW.sent.encode(), type_=Type.NON))
        assert (await next_of(listener)).unit == METER


async def test_nothing_is_taken_unproven_unless_that_was_allowed(power: SenmlModel, connect: Connect) -> None:
    async with listening(power, Access({}, plain=False)) as (listener, port):
        answer = await (await connect(port)).post("senml", NOW.sent.encode())
        assert answer.code_text == "4.01"
        with pytest.raises(Stranger):
            await next_of(listener)


async def test_a_large_pack_comes_in_blocks(power: SenmlModel, connect: Connect) -> None:
    pack = b'[{"bn":"%s:","n":"voltage","v":1}' % METER.encode()
    pack += b"".join(b',{"n":"voltage","v":%d,"t":-%d}' % (at, at) for at in range(1, 200)) + b"]"
    blocks = [pack[at : at + 1024] for at in range(0, len(pack), 1024)]
    async with listening(power, PLAIN) as (listener, port):
        sensor = await connect(port)
        codes = [
            (await sensor.exchange(_block(sensor.request("senml", piece), number, number + 1 < len(blocks)))).code_text
            for number, piece in enumerate(blocks)
        ]
        assert codes == ["2.31"] * (len(blocks) - 1) + ["2.04"]
        assert len((await next_of(listener)).moments) == 200


async def test_blocks_are_turned_away_where_the_whole_would_be_too_large(power: SenmlModel, connect: Connect) -> None:
    async with listening(power, PLAIN) as (_, port):
        sensor = await connect(port)
        answer = await sensor.exchange(_block(sensor.request("senml", b"x" * 1024), 64, True))
        assert answer.code_text == "4.13"


def _block(request: Message, number: int, more: bool) -> Message:
    szx = 6  # 1024 bytes
    option = (BLOCK1, unsigned(number << 4 | more << 3 | szx))
    return Message(request.type, request.code, request.id, request.token, (*request.options, option), request.payload)


async def test_noise_on_the_port_is_survived(power: SenmlModel, connect: Connect) -> None:
    async with listening(power, PLAIN) as (listener, port):
        sensor = await connect(port)
        for noise in (b"", b"\0", b"\x40", b"\xff" * 50, b"GET / HTTP/1.1\r\n\r\n"):
            sensor.transport.sendto(noise)
        sensor.transport.sendto(sensor.request("senml", NOW.sent.encode()).encode())
        assert (await next_of(listener)).unit == METER


async def test_a_flood_does_not_fill_the_memory(
    power: SenmlModel, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.coap.listener.MAX_REMEMBERED", 3)
    async with listening(power, PLAIN) as (listener, port):
        sensor = await connect(port)
        for _ in range(3):
            assert (await sensor.post("nowhere", b"")).code_text == "4.04"
        sensor.transport.sendto(sensor.request("senml", NOW.sent.encode()).encode())
        for _ in range(3):
            with pytest.raises(Stranger, match="post to /senml"):
                await next_of(listener)
        with pytest.raises(Stranger, match="dropped: more messages"):
            await next_of(listener)


async def test_a_port_that_another_has_is_the_lines_fault(power: SenmlModel) -> None:
    async with listening(power, PLAIN) as (_, port):
        second = CoapListener(f"127.0.0.1:{port}", PLAIN, {METER: power})
        with pytest.raises(LineDown, match=rf"127\.0\.0\.1:{port}: cannot listen: .*in use"):
            await second.open()
        await second.close()


async def test_an_address_that_is_not_ours_is_the_lines_fault(power: SenmlModel) -> None:
    with pytest.raises(LineDown, match=r"192\.0\.2\.1:5683: cannot listen"):
        await CoapListener("192.0.2.1:5683", PLAIN, {METER: power}).open()


async def test_it_can_be_opened_again(power: SenmlModel, connect: Connect) -> None:
    async with listening(power, PLAIN) as (listener, port):
        await listener.open()
        assert (await (await connect(port)).post("senml", NOW.sent.encode())).code_text == "2.04"


@pytest.fixture
async def oscore_client(context: Callable[..., Path]) -> AsyncIterator[Callable[..., Any]]:
    """aiocoap's client: OSCORE is proven against the library that carries it, and against no other."""
    client = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"])

    async def post(port: int, context_folder: Path, payload: bytes) -> Any:
        server = f"coap://127.0.0.1:{port}/*"
        if server not in client.client_credentials:
            client.client_credentials.load_from_dict({server: {"oscore": {"basedir": str(context_folder)}}})
        request = aiocoap.Message(
            code=aiocoap.POST, uri=f"coap://127.0.0.1:{port}/senml", payload=payload, content_format=110
        )
        async with asyncio.timeout(10):
            return await client.request(request).response

    yield post
    client.client_credentials.clear()
    await client.shutdown()


@pytest.mark.peer(
    "CoAP", "aiocoap", "its client proves itself by OSCORE; one library on both sides, so the wiring alone"
)
async def test_a_device_that_proves_who_it_is_by_oscore_is_taken(
    power: SenmlModel, context: Callable[..., Path], oscore_client: Callable[..., Any], connect: Connect
) -> None:
    ours = Access({METER: context("ours", b"\1", b"\2")}, plain=True)
    async with listening(power, ours) as (listener, port):
        theirs = context("theirs", b"\2", b"\1")
        reports = []
        for _ in range(2):  # the second has equal values, and is another report all the same
            answer = await oscore_client(port, theirs, NOW.sent.encode())
            assert answer.code.dotted == "2.04"
            reports.append(await next_of(listener))
        assert [report.unit for report in reports] == [METER, METER]
        assert reports[0].identity != reports[1].identity
        plain = await (await connect(port)).post("senml", NOW.sent.encode())
        assert (plain.code_text, plain.payload) == ("4.01", f"{METER} has an OSCORE context; use it".encode())


async def test_a_device_with_another_key_is_turned_away(
    power: SenmlModel, context: Callable[..., Path], oscore_client: Callable[..., Any]
) -> None:
    folder = context("theirs", b"\2", b"\1")
    secret = folder / "secret.json"
    secret.write_text(secret.read_text().replace("0102030405", "ffffffffff"))
    access = Access({METER: context("ours", b"\1", b"\2")}, plain=False)
    async with listening(power, access) as (listener, port):
        # The refusal cannot be protected: there is no key for it.
        with pytest.raises(aiocoap.oscore.NotAProtectedMessage) as refusal:
            await oscore_client(port, folder, NOW.sent.encode())
        assert refusal.value.plain_message.code.dotted == "4.00"
        with pytest.raises(Stranger, match="OSCORE: Decryption failed"):
            await next_of(listener)


async def test_a_device_that_is_not_known_is_turned_away_and_counted(
    power: SenmlModel, context: Callable[..., Path], oscore_client: Callable[..., Any]
) -> None:
    access = Access({METER: context("ours", b"\1", b"\2")}, plain=False)
    async with listening(power, access) as (listener, port):
        with pytest.raises(aiocoap.oscore.NotAProtectedMessage) as refusal:
            await oscore_client(port, context("theirs", b"\7", b"\1"), NOW.sent.encode())
        assert refusal.value.plain_message.code.dotted == "4.01"
        with pytest.raises(Stranger, match="OSCORE"):
            await next_of(listener)


async def test_after_a_crash_of_the_gateway_a_device_proves_that_it_is_no_replay(
    power: SenmlModel, context: Callable[..., Path], oscore_client: Callable[..., Any]
) -> None:
    """RFC 8613, appendix B.1.2: the first request is answered 4.01 with an Echo, and taken when it brings that back."""
    ours = context("ours", b"\1", b"\2")
    (ours / "sequence.json").write_text('{"next-to-send": 100, "received": "unknown"}')
    async with listening(power, Access({METER: ours}, plain=False)) as (listener, port):
        answer = await oscore_client(port, context("theirs", b"\2", b"\1"), NOW.sent.encode())
        assert answer.code.dotted == "2.04"
        assert (await next_of(listener)).unit == METER


async def test_a_proven_device_may_not_speak_for_another(
    power: SenmlModel, context: Callable[..., Path], oscore_client: Callable[..., Any]
) -> None:
    port = free_port()
    access = Access({"other": context("ours", b"\1", b"\2")}, plain=False)
    listener = CoapListener(f"127.0.0.1:{port}", access, {METER: power, "other": power})
    await listener.open()
    try:
        answer = await oscore_client(port, context("theirs", b"\2", b"\1"), NOW.sent.encode())
        assert (answer.code.dotted, b"you are known as other" in answer.payload) == ("4.03", True)
    finally:
        await listener.close()
