"""A city that exists in the ports alone, and the console's pages over it: for tests of pages, not of services."""

import math
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast
from uuid import UUID
from zlib import crc32

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from fleet_server import app as server
from fleet_server.config import Settings
from fleet_server.domains.commands.pages import pages as command_pages
from fleet_server.domains.console import DOMAIN as CONSOLE
from fleet_server.domains.telemetry.pages import pages as quarantine_pages
from fleet_server.kernel.context import Context, current_principal, optional_principal
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Invalid, NotFound
from fleet_server.kernel.ports import (
    ChannelNow,
    CommandView,
    ConfigurationNow,
    DeliveryProof,
    DeviceHealthNow,
    DeviceNow,
    DeviceSummary,
    GatewayNow,
    GatewaySummary,
    History,
    IncarnationProof,
    Ports,
    QuarantineItem,
    Rates,
    Series,
)
from fleet_server.kernel.principal import PERMISSIONS, Principal
from fleet_server.web import preferences
from fleet_server.web.i18n import Catalogue
from fleet_server.web.render import Renderer
from fleet_server.web.static_files import StaticAssets
from protocols.citycode import geosot
from protocols.quality import Quality

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
Summary = TypeVar("Summary", GatewaySummary, DeviceSummary)
DIVISION = ("bj.110114.110114011", "回龙观街道")
WORDS = {0: {"en": "off", "zh": "关"}, 1: {"en": "on", "zh": "开"}}


@dataclass(frozen=True)
class Model:
    name: str
    channels: tuple[ChannelNow, ...]


def channel(name: str, en: str, zh: str, unit: str, value: float | None, places: int = 1, **more: Any) -> ChannelNow:
    values: dict[str, Any] = {
        "quantity": "",
        "kind": "gauge",
        "writable": False,
        "limits": None,
        "states": {},
        "period_ms": 1000,
        "quality": int(Quality.GOOD),
        "at": NOW,
    }
    text = "" if value is None else f"{value:.{places}f}"
    title = {"en": en, "zh": zh}
    return ChannelNow(name=name, title=title, unit=unit, scale=-places, value=value, text=text, **(values | more))


LAMP = Model(
    "lamp_controller",
    (
        channel("lamp_power", "Lamp power", "灯功率", "W", 87.4),
        channel("lamp_current", "Lamp current", "灯电流", "A", 0.402, 3),
        channel("case_temperature", "Case temperature", "外壳温度", "Cel", 31.6),
        channel("burning_hours", "Burning hours", "点灯时长", "h", 12345.6, kind="counter"),
        channel("lamp_on", "Lamp", "灯", "", 1, 0, kind="state", states=WORDS),
        channel("dim_setpoint", "Dimming", "调光", "%", 80, 0, writable=True, limits=(0.0, 100.0)),
        channel("relay", "Relay", "继电器", "", 1, 0, kind="state", states=WORDS, writable=True),
    ),
)
METER = Model(
    "meter_1p",
    (
        channel("voltage", "Voltage", "电压", "V", 231.2),
        channel("current", "Current", "电流", "A", 1.482, 3),
        channel("power", "Power", "功率", "W", 338.9),
        channel("energy", "Energy", "电能", "kWh", 48213.77, 2, kind="counter"),
    ),
)
GAS = Model(
    "gas_head",
    (
        channel("ch4", "Methane", "甲烷", "%LEL", 1.4, 2),
        channel("o2", "Oxygen", "氧气", "%", 20.87, 2),
        channel("h2s", "Hydrogen sulphide", "硫化氢", "ppm", 0.3, 2),
        channel("alarm_low", "Low alarm", "低报", "", 0, 0, kind="state", states=WORDS),
    ),
)
WEATHER = Model(
    "weather_station",
    (
        channel("temperature", "Air temperature", "气温", "Cel", -3.2),
        channel("humidity", "Humidity", "湿度", "%RH", 41.0),
        channel("pm2_5", "PM2.5", "细颗粒物", "ug/m3", None, 0, quality=int(Quality.BAD_SENSOR_FAILURE)),
    ),
)
PUMP = Model("sump_pump", (channel("running", "Pump", "水泵", "", 0, 0, kind="state", states=WORDS),))


class FakeCity:
    """The ports `ledger`, `telemetry`, `commands` of a block: twelve poles behind one gateway, a tunnel behind another.

    Its `time` stands until a test moves it. `faults` is by (device, channel or "*"); what an `offline` gateway's
    devices said is seven minutes old.
    """

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now
        self.started = now
        self.commands: list[CommandView] = []
        self.quarantined: list[QuarantineItem] = []
        self.offline: set[str] = set()
        self.configurations: dict[str, ConfigurationNow] = {}
        self.faults: dict[tuple[str, str], Quality] = {}
        self.causes: dict[str, str] = {}  # by device: what its gateway says is wrong
        self.dropped = self.missing = False
        self.gateway_list = [
            GatewaySummary("D1101149001000077A", "东侧灯杆网关", *DIVISION, NOW - timedelta(days=40), "in-service"),
            GatewaySummary(
                "D11011490010000785", "综合管廊 2 区网关", *DIVISION, NOW - timedelta(days=12), "in-service"
            ),
        ]
        self.models: dict[str, Model] = {}
        self.device_list: list[DeviceSummary] = []
        for pole in range(12):
            place = (40.0707 + pole * 0.00021, 116.3364 + (pole % 2) * 0.0002)
            self._add(f"Pole {pole + 1} lamp", LAMP, 0, f"B1101140118000{pole:03}X", place)
            self._add(f"Pole {pole + 1} meter", METER, 0, f"B1101140118000{pole:03}X", place)
        self._add("Weather", WEATHER, 0, "B1101140118000000X", (40.0707, 116.3364))
        for part in range(4):
            place = (40.0712, 116.3380 + part * 0.0005)
            self._add(f"Compartment {part + 1} gas", GAS, 1, f"B1101140134000{part:03}Y", place)
            self._add(f"Compartment {part + 1} pump", PUMP, 1, f"B1101140134000{part:03}Y", place)

    def _add(self, name: str, model: Model, gateway: int, mount: str, place: tuple[float, float]) -> None:
        code = f"D110114900100{len(self.device_list):04}Z"
        self.models[code] = model
        cell = geosot.encode(*place, 23)
        summary = DeviceSummary(
            code,
            name,
            model.name,
            self.gateway_list[gateway].code,
            *DIVISION,
            mount,
            23,
            cell,
            *place,
            "in-service",
            NOW,
        )
        self.device_list.append(summary)

    # -- ledger

    async def gateways(self, principal: Principal) -> list[GatewaySummary]:
        principal.require("ledger:read")
        return list(self.gateway_list)

    async def gateway(self, principal: Principal, code: str) -> GatewaySummary:
        principal.require("ledger:read")
        return self._one(self.gateway_list, code)

    async def device(self, principal: Principal, code: str) -> DeviceSummary:
        principal.require("ledger:read")
        return self._one(self.device_list, code)

    async def unseen(self, principal: Principal, devices: Collection[str]) -> list[str]:
        principal.require("ledger:read")
        return sorted(set(devices) - {device.code for device in self.device_list})

    async def devices(
        self, principal: Principal, *, gateway: str | None = None, query: str = "", limit: int = 500, after: str = ""
    ) -> list[DeviceSummary]:
        principal.require("ledger:read")
        found = [
            device
            for device in self.device_list
            if device.code > after
            and gateway in (None, device.gateway)
            and query.lower() in f"{device.code} {device.name} {device.model} {device.mount}".lower()
        ]
        return found[:limit]

    @staticmethod
    def _one(items: Sequence[Summary], code: str) -> Summary:
        for item in items:
            if item.code == code:
                return item
        raise NotFound(f"There is no {code}.")

    # -- telemetry

    def _wave(self, code: str, known: ChannelNow, at: datetime) -> float | None:
        if known.value is None:
            return None
        seconds = at.timestamp() + crc32(f"{code} {known.name}".encode()) % 997
        if known.kind == "counter":
            return round(known.value + (at - NOW).total_seconds() / 3600, -known.scale)
        if known.kind == "state":
            return known.value if known.writable else float(int(seconds // 240) % 2)
        swing = math.sin(seconds / 90) + 0.4 * math.sin(seconds / 17)
        return round(known.value * (1 + 0.03 * swing), -known.scale)

    def _present(self, code: str) -> DeviceNow:
        device = self._one(self.device_list, code)
        at = self.started - timedelta(minutes=7) if device.gateway in self.offline else self.time
        channels = []
        for known in self.models[code].channels:
            value = self._wave(code, known, at)
            text = "" if value is None else f"{value:.{-known.scale}f}"
            quality = int(self.faults.get((code, known.name), self.faults.get((code, "*"), known.quality)))
            channels.append(replace(known, value=value, text=text, at=at, quality=quality))
        return DeviceNow(code, at, tuple(channels))

    async def now(self, codes: Sequence[str]) -> dict[str, DeviceNow]:
        return {code: self._present(code) for code in codes}

    async def history(self, code: str, channels: Sequence[str], start: datetime, end: datetime, points: int) -> History:
        span = (end - start).total_seconds()
        raw = span <= 2 * points
        step = 1.0 if raw else max(60.0, span / points)
        series = []
        for known in self.models[code].channels:
            if known.name not in channels:
                continue
            t = [start.timestamp() + i * step for i in range(int(span / step)) if not 0.55 < i * step / span < 0.62]
            value = [self._wave(code, known, datetime.fromtimestamp(at, UTC)) for at in t]
            spread = 0.0 if raw or known.kind != "gauge" else 0.012
            low = [None if v is None else v * (1 - spread) for v in value]
            high = [None if v is None else v * (1 + spread) for v in value]
            third = len(t) // 3
            doubtful = {i: int(Quality.UNCERTAIN_LAST_USABLE) for i in range(third, third + 5)}
            doubtful |= {i: int(Quality.BAD_TIMEOUT) for i in range(third + 40, third + 46)}
            quality = [doubtful.get(i, 0) for i in range(len(t))]
            gap = (int((start.timestamp() + 0.55 * span) * 1000), int((start.timestamp() + 0.62 * span) * 1000))
            series.append(Series(known, [int(at * 1000) for at in t], value, low, high, quality, [gap]))
        return History(code, "raw" if raw else "minute", start, end, tuple(series))

    async def gateways_now(self, codes: Sequence[str]) -> dict[str, GatewayNow]:
        found = {}
        for code in codes:
            online = code not in self.offline
            seen = self.time if online else self.started - timedelta(minutes=7)
            health = tuple(
                DeviceHealthNow(
                    device.code,
                    self.faults.get((device.code, "*")) is None,
                    self.started,
                    self.causes.get(device.code, ""),
                )
                for device in self.device_list
                if device.gateway == code
            )
            found[code] = GatewayNow(
                code,
                online,
                seen - timedelta(hours=3),
                7,
                "synchronised",
                12,
                "0.1.0",
                3_400_000,
                512 << 20,
                seen,
                health,
                configuration=self.configurations.get(code),
            )
        return found

    async def delivery(self, gateway: str) -> DeliveryProof:
        top = int((self.time - self.started).total_seconds()) + 120_000
        dropped = [(60_000, 64_000, "spool-full")] if self.dropped else []
        missing = [(90_500, 90_501)] if self.missing else []
        holes = sorted([(low, high) for low, high, _ in dropped] + missing)
        received, start = [], 0
        for low, high in holes:
            received.append((start, low - 1))
            start = high + 1
        received.append((start, top))
        part = IncarnationProof(
            0x5EED5EED5EED5EED, NOW - timedelta(days=12), received, missing, dropped, top + 3, top, 42, 0, 2
        )
        return DeliveryProof(gateway, 2 if missing else 0, 0, 2, (part,))

    async def rates(self) -> Rates:
        return Rates(4.2, 137.5, self.time - timedelta(seconds=0.4))

    async def quarantine(
        self, *, limit: int, before: int | None = None, gateways: Collection[str] | None = None
    ) -> list[QuarantineItem]:
        seen = [item for item in self.quarantined if gateways is None or item.gateway in gateways]
        return [item for item in seen if before is None or item.id < before][:limit]

    # -- commands

    async def send(
        self, principal: Principal, device: str, channel: str, value: Decimal, expires_s: int
    ) -> CommandView:
        if not 0 <= value <= 100:
            raise Invalid("The value is outside 0 to 100.", fields={"value": "0 to 100"})
        view = CommandView(
            UUID(int=len(self.commands) + 1),
            device,
            channel,
            value,
            "done" if self.commands else "queued",
            "",
            value if self.commands else None,
            principal.name,
            self.time,
            self.time + timedelta(seconds=expires_s),
            None,
        )
        self.commands.insert(0, view)
        return view

    async def recent(self, principal: Principal, device: str, limit: int) -> list[CommandView]:
        principal.require("telemetry:read")
        return [view for view in self.commands if view.device == device][:limit]


class CityClock:
    def __init__(self, city: FakeCity) -> None:
        self._city = city

    def now(self) -> datetime:
        return self._city.time


def everyone(**changes: Any) -> Principal:
    return replace(Principal("user:1", "wang", "user", frozenset(PERMISSIONS), ("bj",)), **changes)


def console_app(city: FakeCity, principal: Principal, assets: StaticAssets | None = None) -> FastAPI:
    """The console over `city`, with the real guards and error pages; the database is never reached."""
    assets = assets or StaticAssets()
    clock = CityClock(city)
    catalogue = Catalogue.load()
    root = server.template_folders((CONSOLE,))["console"].parent.parent
    folders = {name: root / name / "templates" for name in ("console", "commands", "telemetry")}
    ports = Ports()
    for name in ("ledger", "telemetry", "commands"):
        ports.open(name, city)
    settings = Settings()
    renderer = Renderer(catalogue, assets, folders, clock.now)
    app = FastAPI()
    app.state.context = Context(settings, cast("Database", None), clock, ports, catalogue, renderer)
    for router in (CONSOLE.pages, command_pages, quarantine_pages, preferences.router):
        assert router is not None
        app.include_router(router)
    app.mount("/static", assets)

    async def reader(request: Request) -> Principal:
        request.state.principal = principal
        return principal

    app.dependency_overrides[current_principal] = reader
    app.dependency_overrides[optional_principal] = reader
    server._answer_errors(app)
    server._guard(app, settings)
    return app


@pytest.fixture
def city() -> FakeCity:
    return FakeCity()


@pytest.fixture
async def browse(city: FakeCity) -> AsyncIterator[httpx.AsyncClient]:
    """A reader with every permission, in English."""
    transport = httpx.ASGITransport(console_app(city, everyone()))
    headers = {"accept-language": "en", "origin": "http://127.0.0.1:8080"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers) as client:
        yield client
