"""The operator's pages that cut across domains: overview, gateways, devices, search."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from fleet_server.domains.console import service
from fleet_server.domains.console.models import (
    GROUPINGS,
    TUNNEL_MODELS,
    DeviceView,
    Look,
    device_view,
    first_seq,
    group,
    group_order,
    proof_spans,
    proof_totals,
)
from fleet_server.kernel.context import Context, InContext, require
from fleet_server.kernel.errors import NotFound
from fleet_server.kernel.ports import GatewaySummary
from fleet_server.kernel.principal import Principal
from fleet_server.web.render import language_of

pages = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require("telemetry:read"))]
Text = Annotated[str, Query(max_length=80)]
_PAGE = 200  # devices of a list, and so of its live stream, whose URL then stays under 4 kB

LOOKS = {
    "all": frozenset(Look),
    "good": frozenset({Look.GOOD}),
    "trouble": frozenset({Look.BAD, Look.UNCERTAIN}),
    "stale": frozenset({Look.STALE}),
}


@pages.get("/")
async def overview(request: Request, context: InContext, principal: Viewer) -> Response:
    """Also the fragment that refreshes the page: htmx asks the same address."""
    now = context.clock.now()
    language = language_of(request)
    view = await service.overview(context.ports.ledger, context.ports.telemetry, principal, now, language)
    places = service.places(view.devices, TUNNEL_MODELS)
    template = "console/overview_live.html" if "hx-request" in request.headers else "console/overview.html"
    return context.templates.page(request, principal, template, now=now, view=view, places=places)


@pages.get("/gateways")
async def gateways(request: Request, context: InContext, principal: Viewer) -> Response:
    now = context.clock.now()
    ports = context.ports
    summaries = await service.all_devices(ports.ledger, principal)
    devices = await service.device_views(ports.telemetry, summaries, now, language_of(request))
    views = await service.gateway_views(ports.ledger, ports.telemetry, principal, devices)
    template = "console/gateways_live.html" if "hx-request" in request.headers else "console/gateways.html"
    return context.templates.page(request, principal, template, now=now, gateways=views)


@pages.get("/gateways/{code}")
async def gateway(request: Request, context: InContext, principal: Viewer, code: str) -> Response:
    now = context.clock.now()
    ports = context.ports
    language = language_of(request)
    view, proof = await service.gateway_page(ports.ledger, ports.telemetry, principal, code, now, language)
    template = "console/gateway_live.html" if "hx-request" in request.headers else "console/gateway.html"
    spans = {part.incarnation: proof_spans(part) for part in proof.incarnations}
    values: dict[str, Any] = {"view": view, "proof": proof, "spans": spans, "totals": proof_totals(proof)}
    values["first"] = {part.incarnation: first_seq(part) for part in proof.incarnations}
    values["health"] = {item.code: item for item in view.present.devices} if view.present else {}
    return context.templates.page(request, principal, template, now=now, **values)


@pages.get("/devices")
async def devices(
    request: Request,
    context: InContext,
    principal: Viewer,
    q: Text = "",
    by: Text = "mount",
    look: Text = "all",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    now = context.clock.now()
    by = by if by in GROUPINGS else "mount"
    look = look if look in LOOKS else "all"
    summaries = await service.all_devices(context.ports.ledger, principal, query=q.strip())
    every = await service.device_views(context.ports.telemetry, summaries, now, language_of(request))
    matching = (view for view in every if view.look in LOOKS[look])
    found = sorted(matching, key=lambda view: group_order(GROUPINGS[by](view.device)))
    views = found[(page - 1) * _PAGE : page * _PAGE]  # no more: a value beyond the stream would never turn stale
    names = {gateway.code: gateway.name for gateway in await context.ports.ledger.gateways(principal)}
    values: dict[str, Any] = {
        "groups": group(views, GROUPINGS[by]),
        "counts": {name: sum(view.look in looks for view in every) for name, looks in LOOKS.items()},
        "names": names,
        "found": len(found),
        "page": page,
        "pages": -(-len(found) // _PAGE),
        "live": _live(views),
        "q": q,
        "by": by,
        "look": look,
    }
    template = "console/devices_table.html" if "hx-request" in request.headers else "console/devices.html"
    return context.templates.page(request, principal, template, now=now, **values)


@pages.get("/devices/{code}")
async def device(request: Request, context: InContext, principal: Viewer, code: str) -> Response:
    now = context.clock.now()
    ports = context.ports
    summary = await ports.ledger.device(principal, code)
    present = await ports.telemetry.now([code])
    view = device_view(summary, present.get(code), now, language_of(request))
    gateway = await _gateway(context, principal, summary.gateway)
    gateway_now = (await ports.telemetry.gateways_now([summary.gateway])).get(summary.gateway)
    health = next((item for item in gateway_now.devices if item.code == code), None) if gateway_now else None
    can_write = principal.may("commands:send") and any(reading.channel.writable for reading in view.readings)
    values: dict[str, Any] = {"view": view, "gateway": gateway, "gateway_now": gateway_now, "health": health}
    values["commands"] = await ports.commands.recent(principal, code, 10) if can_write else []
    values["can_write"] = can_write
    template = "console/device_notice.html" if "hx-request" in request.headers else "console/device.html"
    return context.templates.page(request, principal, template, now=now, live=_live([view]), **values)


@pages.get("/search")
async def search(context: InContext, principal: Viewer, q: Text = "") -> Response:
    """A whole code leads to its page; anything else to the devices that match."""
    wanted = q.strip().upper()
    for kind, look_up in (("gateways", context.ports.ledger.gateway), ("devices", context.ports.ledger.device)):
        try:
            found = await look_up(principal, wanted)
        except NotFound:
            continue
        return RedirectResponse(f"/{kind}/{found.code}", 303)
    return RedirectResponse(f"/devices?{urlencode({'q': q.strip()})}", 303)


async def _gateway(context: Context, principal: Principal, code: str) -> GatewaySummary | None:
    """None when the reader may see a device and not the gateway it is behind, which stands in another division."""
    try:
        return await context.ports.ledger.gateway(principal, code)
    except NotFound:
        return None


def _live(views: list[DeviceView]) -> dict[str, object]:
    """What the live script must know of the page's channels to write them as the server does."""
    channels = {
        view.device.code: {
            reading.channel.name: {"period": reading.channel.period_ms, "states": dict(reading.channel.states)}
            for reading in view.readings
        }
        for view in views
    }
    return {"devices": list(channels), "channels": channels}
