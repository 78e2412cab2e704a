"""GET and PATCH of gateways and devices. A gateway comes into being by `hutong-fleet enrol` alone."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from fleet_server.domains.ledger.wiring import InLedger
from fleet_server.kernel.context import require
from fleet_server.kernel.paging import After, Limit, Page, page_of
from fleet_server.kernel.ports import DeviceSummary, GatewaySummary, LifeCycle
from fleet_server.kernel.principal import Principal

router = APIRouter(tags=["ledger"])
Reader = Annotated[Principal, Depends(require("ledger:read"))]
Writer = Annotated[Principal, Depends(require("ledger:write"))]


class GatewayView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    division: str = Field(description="Path of the division, e.g. bj.110114.110114011")
    division_name: str
    enrolled_at: datetime
    status: LifeCycle


class DeviceView(BaseModel):
    model_config = ConfigDict(from_attributes=True, coerce_numbers_to_str=True)

    code: str
    name: str
    model: str
    gateway: str
    division: str
    division_name: str
    mount: str | None = Field(description="City code of the pole or compartment it is on")
    cell_level: int | None
    cell: str | None = Field(description="GeoSOT code: an unsigned 64-bit integer as decimal text")
    lat: float | None = Field(description="Centre of the cell, degrees")
    lon: float | None
    status: LifeCycle
    created_at: datetime


class GatewayChange(BaseModel):
    """What is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, max_length=200)
    status: LifeCycle | None = None
    division: str | None = Field(default=None, max_length=100, description="A path, or a statistical code")


class DeviceChange(GatewayChange):
    mount: str | None = Field(default=None, max_length=64, description='A city code; "" for none')


@router.get("/gateways")
async def list_gateways(ledger: InLedger, reader: Reader, limit: Limit = 100, after: After = "") -> Page[GatewayView]:
    found = await ledger.gateways(reader, limit=limit + 1, after=after)
    return page_of(_views(found), limit, lambda gateway: gateway.code)


@router.get("/gateways/{code}")
async def get_gateway(code: str, ledger: InLedger, reader: Reader) -> GatewayView:
    return GatewayView.model_validate(await ledger.gateway(reader, code))


@router.patch("/gateways/{code}")
async def patch_gateway(code: str, change: GatewayChange, ledger: InLedger, writer: Writer) -> GatewayView:
    changed = await ledger.change_gateway(
        writer, code, name=change.name, status=change.status, division=change.division
    )
    return GatewayView.model_validate(changed)


@router.get("/devices")
async def list_devices(
    ledger: InLedger,
    reader: Reader,
    gateway: Annotated[str | None, Query(max_length=64, description="Those of this gateway")] = None,
    query: Annotated[str, Query(max_length=100, description="A part of code, name, model or mount")] = "",
    limit: Limit = 100,
    after: After = "",
) -> Page[DeviceView]:
    found = await ledger.devices(reader, gateway=gateway, query=query, limit=limit + 1, after=after)
    return page_of([_device_view(device) for device in found], limit, lambda device: device.code)


@router.get("/devices/{code}")
async def get_device(code: str, ledger: InLedger, reader: Reader) -> DeviceView:
    return _device_view(await ledger.device(reader, code))


@router.patch("/devices/{code}")
async def patch_device(code: str, change: DeviceChange, ledger: InLedger, writer: Writer) -> DeviceView:
    changed = await ledger.change_device(
        writer, code, name=change.name, status=change.status, mount=change.mount, division=change.division
    )
    return _device_view(changed)


def _views(found: list[GatewaySummary]) -> list[GatewayView]:
    return [GatewayView.model_validate(gateway) for gateway in found]


def _device_view(device: DeviceSummary) -> DeviceView:
    return DeviceView.model_validate(device)
