"""What a page needs, gathered through the ports. Scope: codes come from the ledger, telemetry is asked of no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet_server.domains.console.models import (
    Attention,
    DeviceView,
    attention,
    device_view,
)
from fleet_server.kernel.ports import DeliveryProof, DeviceSummary, GatewayNow, GatewaySummary, Ledger, Rates, Telemetry
from fleet_server.kernel.principal import Principal

_PAGE = 500


@dataclass(frozen=True)
class GatewayView:
    """`devices` are those behind it that the ledger knows and the reader may see."""

    summary: GatewaySummary
    present: GatewayNow | None
    devices: tuple[DeviceView, ...]

    @property
    def online(self) -> bool:
        return self.present is not None and self.present.online

    @property
    def reachable(self) -> int:
        return sum(view.is_reachable for view in self.devices)


@dataclass(frozen=True)
class Overview:
    gateways: tuple[GatewayView, ...]
    devices: tuple[DeviceView, ...]
    rates: Rates
    attention: tuple[Attention, ...]
    attention_total: int

    @property
    def online(self) -> int:
        return sum(gateway.online for gateway in self.gateways)

    @property
    def reachable(self) -> int:
        return sum(view.is_reachable for view in self.devices)

    @property
    def channels(self) -> int:
        return sum(len(view.readings) for view in self.devices)

    @property
    def bad(self) -> int:
        return sum(view.bad for view in self.devices)


async def all_devices(
    ledger: Ledger, principal: Principal, *, gateway: str | None = None, query: str = ""
) -> list[DeviceSummary]:
    found: list[DeviceSummary] = []
    while True:
        after = found[-1].code if found else ""
        page = await ledger.devices(principal, gateway=gateway, query=query, limit=_PAGE, after=after)
        found += page
        if len(page) < _PAGE:
            return found


async def device_views(
    telemetry: Telemetry, devices: Sequence[DeviceSummary], now: datetime, language: str
) -> tuple[DeviceView, ...]:
    present = await telemetry.now([device.code for device in devices])
    return tuple(device_view(device, present.get(device.code), now, language) for device in devices)


async def gateway_views(
    ledger: Ledger, telemetry: Telemetry, principal: Principal, devices: Sequence[DeviceView]
) -> tuple[GatewayView, ...]:
    summaries = await ledger.gateways(principal)
    present = await telemetry.gateways_now([summary.code for summary in summaries])
    behind: dict[str, list[DeviceView]] = {}
    for view in devices:
        behind.setdefault(view.device.gateway, []).append(view)
    return tuple(
        GatewayView(summary, present.get(summary.code), tuple(behind.get(summary.code, ()))) for summary in summaries
    )


async def overview(
    ledger: Ledger, telemetry: Telemetry, principal: Principal, now: datetime, language: str
) -> Overview:
    devices = await device_views(telemetry, await all_devices(ledger, principal), now, language)
    gateways = await gateway_views(ledger, telemetry, principal, devices)
    items, total = attention([(gateway.summary, gateway.present) for gateway in gateways], devices)
    return Overview(gateways, devices, await telemetry.rates(), items, total)


async def gateway_page(
    ledger: Ledger, telemetry: Telemetry, principal: Principal, code: str, now: datetime, language: str
) -> tuple[GatewayView, DeliveryProof]:
    """NotFound for a gateway outside the principal's scope."""
    summary = await ledger.gateway(principal, code)
    devices = await all_devices(ledger, principal, gateway=code)
    views = await device_views(telemetry, devices, now, language)
    present = await telemetry.gateways_now([code])
    return GatewayView(summary, present.get(code), views), await telemetry.delivery(code)


@dataclass(frozen=True)
class Place:
    """A device on the map; `cell` as text, for a script's numbers end at 2^53."""

    code: str
    name: str
    look: str
    tunnel: bool
    mount: str
    lat: float
    lon: float
    cell: str
    level: int


def places(views: Sequence[DeviceView], tunnel_models: frozenset[str]) -> list[dict[str, object]]:
    """Those whose place is known. A mount with a tunnel's device on it is a tunnel's, whatever else it carries."""
    tunnel_mounts = {view.device.mount for view in views if view.device.model in tunnel_models} - {None}
    found = []
    for view in views:
        device = view.device
        if device.lat is None or device.lon is None or device.cell is None or device.cell_level is None:
            continue
        tunnel = device.mount in tunnel_mounts or device.model in tunnel_models
        place = Place(
            device.code,
            device.name,
            view.look.value,
            tunnel,
            device.mount or "",
            device.lat,
            device.lon,
            str(device.cell),
            device.cell_level,
        )
        found.append(dict(vars(place)))
    return found
