"""Present values, history, delivery, quarantine and the live stream. A device is asked for through the ledger first."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from fleet_server.domains.telemetry import capture_api, export_api
from fleet_server.domains.telemetry.models import in_view, to_ms
from fleet_server.domains.telemetry.wiring import InTelemetry
from fleet_server.kernel.context import Context, InContext, optional_principal, require
from fleet_server.kernel.errors import Invalid, NotFound, TooMany, Unavailable
from fleet_server.kernel.paging import Limit, Page
from fleet_server.kernel.ports import DeviceNow, Resolution, Words
from fleet_server.kernel.principal import Principal

log = logging.getLogger(__name__)

router = APIRouter(tags=["telemetry"])
Reader = Annotated[Principal, Depends(require("telemetry:read"))]
Inspector = Annotated[Principal, Depends(require("quarantine:read"))]
MAX_LIVE = 500  # devices of one stream
RECHECK_S = 3.0  # between two looks at session and scope of a live stream
AWAY_S = 1.0  # before a stream whose database is away looks again
MOST_STREAMS, MOST_OF_ONE = 500, 50  # of this process; of one user or token
MOST_TEXTS = 4096


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ChannelView(_View):
    name: str
    title: Words
    quantity: str
    unit: str
    kind: str
    scale: int
    writable: bool
    limits: tuple[float, float] | None
    states: dict[int, Words]
    period_ms: int
    value: float | None
    text: str = Field(description="The exact decimal")
    quality: int = Field(description="Upper 16 bits of an OPC UA status code; 0 is Good")
    at: datetime | None = Field(description="Source time")


class DeviceView(_View):
    code: str
    at: datetime | None
    channels: list[ChannelView]


class SeriesView(_View):
    channel: ChannelView
    t: list[int] = Field(description="UTC, ms; for roll-ups where the bucket begins")
    value: list[float | None]
    low: list[float | None]
    high: list[float | None]
    quality: list[int]
    gaps: list[tuple[int, int]] = Field(description="[from, to) in ms in which nothing was heard")
    text: list[str] = Field(description="Exact decimals of the values; empty for floating-point channels")


class HistoryView(_View):
    device: str
    resolution: Resolution
    start: datetime
    end: datetime
    series: list[SeriesView]


class IncarnationView(_View):
    incarnation: str = Field(description="Unsigned 64-bit integer as decimal text")
    first_seen: datetime
    received: list[tuple[int, int]]
    missing: list[tuple[int, int]]
    dropped: list[tuple[int, int, str]]
    next_seq: int
    stored: int
    duplicates: int = Field(description="Repeats that were refused")
    quarantined: int
    in_flight: int

    model_config = ConfigDict(from_attributes=True, coerce_numbers_to_str=True)


class DeliveryView(_View):
    gateway: str
    lost: int = Field(description="Neither received nor declared dropped, and no longer kept by the gateway")
    duplicated: int = Field(description="Stored twice")
    pending: int
    incarnations: list[IncarnationView]


class QuarantineView(_View):
    id: int
    received_at: datetime
    gateway: str
    topic: str
    reason: str
    detail: str
    size: int
    sample: str = Field(description="The message's first bytes, hexadecimal")


@router.get("/devices/{code}/now")
async def get_now(code: str, telemetry: InTelemetry, context: InContext, reader: Reader) -> DeviceView:
    await context.ports.ledger.device(reader, code)
    return DeviceView.model_validate((await telemetry.now([code]))[code])


@router.get("/devices/{code}/history")
async def get_history(
    code: str,
    telemetry: InTelemetry,
    context: InContext,
    reader: Reader,
    start: Annotated[datetime, Query(alias="from", description="Inclusive, with its zone")],
    end: Annotated[datetime, Query(alias="to", description="Exclusive, with its zone")],
    channels: Annotated[str, Query(max_length=4000, description="Names, separated by commas; none: all")] = "",
    points: Annotated[int, Query(ge=10, le=100_000, description="About how many points of a channel")] = 1000,
) -> HistoryView:
    """Raw readings where the span holds few, else roll-ups by minute or hour with their envelope. Of raw readings that
    are more than `points` the extremes and the worst in quality stay."""
    await context.ports.ledger.device(reader, code)
    names = [name for name in channels.split(",") if name]
    return HistoryView.model_validate(await telemetry.history(code, names, start, end, points))


router.routes.extend(
    [*export_api.router.routes, *capture_api.router.routes]
)  # flat, as the list of domains and the common tests read them


@router.get("/gateways/{code}/delivery")
async def get_delivery(code: str, telemetry: InTelemetry, context: InContext, reader: Reader) -> DeliveryView:
    """The proof that what a gateway numbered has arrived."""
    await context.ports.ledger.gateway(reader, code)
    return DeliveryView.model_validate(await telemetry.delivery(code))


@router.get("/quarantine")
async def list_quarantine(
    telemetry: InTelemetry,
    context: InContext,
    inspector: Inspector,
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=1, description="`next` of the page before")] = None,
) -> Page[QuarantineView]:
    """Refused messages, the newest first: those of the gateways in one's scope; all, for who sees the whole city."""
    seen = in_view(inspector, [gateway.code for gateway in await context.ports.ledger.gateways(inspector)])
    items = await telemetry.quarantine(limit=limit + 1, before=after, gateways=seen)
    views = [QuarantineView(**{**vars(item), "sample": item.sample.hex()}) for item in items[:limit]]
    return Page(items=views, next=str(views[-1].id) if len(items) > limit else None)


@router.get("/ingest")
async def get_counts(telemetry: InTelemetry, _: Reader) -> dict[str, int]:
    """What ingest has counted since the beginning: each outcome of a message by name."""
    return await telemetry.counts()


@router.get("/live", response_class=StreamingResponse)
async def get_live(
    request: Request,
    telemetry: InTelemetry,
    context: InContext,
    reader: Reader,
    devices: Annotated[str, Query(max_length=20_000, description="Codes, separated by commas")],
) -> StreamingResponse:
    """text/event-stream: `now` with a list of devices, first all their channels, then those that changed; `heartbeat`
    with the server's time every 3 s. It ends when the session ends or a device leaves the reader's scope."""
    codes = list(dict.fromkeys(code for code in devices.split(",") if code))
    if not 1 <= len(codes) <= MAX_LIVE:
        raise Invalid(f"Name 1 to {MAX_LIVE} devices.", fields={"devices": f"1 to {MAX_LIVE} codes"})
    await _check_scope(context, reader, codes)
    if telemetry.streams.total() >= MOST_STREAMS or telemetry.streams[reader.id] >= MOST_OF_ONE:
        raise TooMany("There are as many live streams as there may be: close one.", retry_after_s=10)
    return StreamingResponse(
        _stream(request, context, codes, telemetry.streams, reader.id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(
    request: Request, context: Context, codes: Sequence[str], streams: Counter[str], reader: str
) -> AsyncIterator[str]:
    """`streams` counts those of each reader that are open."""
    streams[reader] += 1
    try:
        while True:
            try:
                async with aclosing(_events(request, context, codes)) as events:
                    async for event in events:
                        yield event
                return
            except Unavailable:
                # Silence is what tells a reader that nothing is known now; its values grey.
                await asyncio.sleep(AWAY_S)
    finally:
        streams[reader] -= 1
        if not streams[reader]:
            del streams[reader]


async def _events(request: Request, context: Context, codes: Sequence[str]) -> AsyncGenerator[str, None]:
    """Until the reader may no longer see `codes`."""
    loop = asyncio.get_running_loop()
    checked = loop.time()
    async with aclosing(context.ports.telemetry.live(codes)) as updates:  # type: ignore[type-var]
        async for changed in updates:
            if loop.time() - checked >= RECHECK_S or not changed:
                if not await _may_still(request, context, codes):
                    return
                checked = loop.time()
                yield f'event: heartbeat\ndata: {{"now":{to_ms(context.clock.now())}}}\n\n'
            if changed:
                yield f"event: now\ndata: [{','.join(map(_text, changed))}]\n\n"


async def _may_still(request: Request, context: Context, codes: Sequence[str]) -> bool:
    del request.state.principal  # what the first look found
    principal = await optional_principal(request)
    if principal is None or not principal.may("telemetry:read"):
        return False
    try:
        await _check_scope(context, principal, codes)
    except NotFound:
        return False
    return True


async def _check_scope(context: Context, principal: Principal, codes: Sequence[str]) -> None:
    """NotFound unless the principal sees all of `codes`."""
    if unseen := await context.ports.ledger.unseen(principal, codes):
        raise NotFound(f"There is no device {unseen[0][:64]}.")


_TEXTS: dict[int, tuple[DeviceNow, str]] = {}  # by id(), which is its own while the object is kept here


def _text(device: DeviceNow) -> str:
    """Streams that keep up are given the same objects: each is written once, however many show it."""
    known = _TEXTS.get(id(device))
    if known is None:
        if len(_TEXTS) >= MOST_TEXTS:
            _TEXTS.clear()
        text = json.dumps(_device(device), ensure_ascii=False, separators=(",", ":"))
        known = _TEXTS[id(device)] = device, text
    return known[1]


def _device(device: DeviceNow) -> dict[str, Any]:
    channels = [
        {
            "name": channel.name,
            "kind": channel.kind,
            "unit": channel.unit,
            "period_ms": channel.period_ms,
            "states": channel.states,
            "value": channel.value,
            "text": channel.text,
            "quality": channel.quality,
            "at": None if channel.at is None else to_ms(channel.at),
        }
        for channel in device.channels
    ]
    return {"code": device.code, "at": None if device.at is None else to_ms(device.at), "channels": channels}
