"""Gateways, devices, their life cycle, and what a birth changes of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import get_args

from fleet_server.kernel.divisions import name_of
from fleet_server.kernel.errors import Conflict, Invalid
from fleet_server.kernel.ports import DeviceSummary, GatewaySummary, LifeCycle
from protocols.citycode import CodeError, Kind, geosot, parse
from protocols.edge.birth import DeviceDescription
from protocols.errors import RemoteProtocolError

KEY_BYTES = 32
OLD_KEY_VALID = timedelta(days=7)  # after a rotation: time to bring the new key to a gateway
STATUSES: tuple[LifeCycle, ...] = get_args(LifeCycle)
# What has been retired stays so: its code names that thing for ever, a successor gets a code of its own.
NEXT_STATUS: Mapping[LifeCycle, frozenset[LifeCycle]] = {
    "planned": frozenset({"in-service", "retired"}),
    "in-service": frozenset({"out-of-service", "retired"}),
    "out-of-service": frozenset({"in-service", "retired"}),
    "retired": frozenset(),
}


@dataclass(frozen=True)
class Gateway:
    code: str
    name: str
    division: str
    status: LifeCycle
    enrolled_at: datetime

    @property
    def summary(self) -> GatewaySummary:
        return GatewaySummary(
            self.code, self.name, self.division, name_of(self.division), self.enrolled_at, self.status
        )


@dataclass(frozen=True)
class SealedKey:
    """`retires_at` None: the present one."""

    key_id: bytes
    sealed: bytes = field(repr=False)
    created_at: datetime
    retires_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        return self.retires_at is None or now < self.retires_at


@dataclass(frozen=True)
class Device:
    """`pinned` are the fields a person set, which a birth leaves alone."""

    code: str
    gateway: str
    name: str
    model: str
    division: str
    mount: str | None
    cell_level: int | None
    cell: int | None
    lat: float | None
    lon: float | None
    status: LifeCycle
    pinned: frozenset[str]
    created_at: datetime

    @property
    def summary(self) -> DeviceSummary:
        return DeviceSummary(
            code=self.code,
            name=self.name,
            model=self.model,
            gateway=self.gateway,
            division=self.division,
            division_name=name_of(self.division),
            mount=self.mount,
            cell_level=self.cell_level,
            cell=self.cell,
            lat=self.lat,
            lon=self.lon,
            status=self.status,
            created_at=self.created_at,
        )


def check_gateway_code(code: str) -> str:
    """The code in its one spelling; Invalid unless it names a device."""
    try:
        parsed = parse(code)
    except CodeError as error:
        raise Invalid(f"{code!r} is not a city code: {error}.", fields={"code": str(error)}) from None
    if parsed.kind is not Kind.DEVICE:
        raise Invalid(
            f"{code} names a {parsed.kind.name.lower()}; a gateway is a device (D...).", fields={"code": "not D"}
        )
    return parsed.text


def is_device_code(code: str) -> bool:
    """In its one spelling: a birth that spells codes in its own way would make a device twice."""
    try:
        parsed = parse(code)
    except CodeError:
        return False
    return parsed.kind is Kind.DEVICE and parsed.text == code


def check_text(value: str, name: str, longest: int = 200) -> str:
    plain = value.strip()
    if not 1 <= len(plain) <= longest or not plain.isprintable():
        raise Invalid(f"{name} has 1 to {longest} printable characters.", fields={name: f"1 to {longest} characters"})
    return plain


def check_mount(mount: str) -> str | None:
    """The code of the pole or compartment; an empty text: mounted nowhere."""
    if not mount.strip():
        return None
    try:
        return parse(mount).text
    except CodeError as error:
        raise Invalid(f"{mount!r} is not a city code: {error}.", fields={"mount": str(error)}) from None


def check_status(before: LifeCycle, after: LifeCycle) -> None:
    if after != before and after not in NEXT_STATUS[before]:
        allowed = ", ".join(sorted(NEXT_STATUS[before])) or "nothing else"
        raise Conflict(f"What is {before} can become {allowed}, not {after}.", fields={"status": allowed})


def cell_centre(cell: tuple[int, int]) -> tuple[float, float] | None:
    """Latitude and longitude of the centre of (level, code); None for a code that no place has."""
    level, code = cell
    try:
        lat, lon = geosot.decode(code, level).centre
    except RemoteProtocolError:
        return None
    return round(float(lat), 7), round(float(lon), 7)  # 1 cm


def clean(text: str, longest: int = 200) -> str:
    """Text of a birth as the ledger keeps it: PostgreSQL takes no NUL, a page no control characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:longest]


def born(described: DeviceDescription, gateway: Gateway, now: datetime) -> Device:
    """A device that the ledger did not know."""
    blank = Device(
        code=described.code,
        gateway=gateway.code,
        name=described.code,
        model="",
        division=gateway.division,
        mount=None,
        cell_level=None,
        cell=None,
        lat=None,
        lon=None,
        status="in-service",
        pinned=frozenset(),
        created_at=now,
    )
    return described_again(blank, described, gateway)


def described_again(known: Device, described: DeviceDescription, gateway: Gateway) -> Device:
    """What the birth says, except of pinned fields. A planned device that speaks is in service."""
    centre = cell_centre(described.cell) if described.cell is not None else None
    level, cell = described.cell if described.cell is not None and centre is not None else (None, None)
    lat, lon = centre or (None, None)
    mount = described.mount if described.mount is not None else None
    fresh = replace(
        known,
        gateway=gateway.code,
        name=clean(described.name) or described.code,
        model=clean(described.model, 64),
        division=gateway.division,
        mount=clean(mount, 64) if mount else None,
        cell_level=level,
        cell=cell,
        lat=lat,
        lon=lon,
        status="in-service" if known.status == "planned" else known.status,
    )
    return replace(fresh, **{name: getattr(known, name) for name in known.pinned})


def gives_up_devices(status: LifeCycle | None) -> bool:
    """Whether another gateway's birth may take over its devices: not before it is retired, or any gateway could claim
    any device. Not because it is out of service, or its keys cannot be read: it may be back. None: not enrolled."""
    return status is None or status == "retired"


def difference(before: Device, after: Device) -> dict[str, list[object]]:
    """Field -> [before, after], for the audit trail."""
    names = ("gateway", "name", "model", "division", "mount", "cell_level", "cell", "lat", "lon", "status")
    pairs = {name: [getattr(before, name), getattr(after, name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
