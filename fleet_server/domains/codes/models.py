"""What is told about a code, and what may be minted. Pure."""

from dataclasses import dataclass
from datetime import datetime

from fleet_server.domains.codes.divisions import Division, find, is_district
from fleet_server.kernel.errors import Conflict, Forbidden, Invalid
from fleet_server.kernel.principal import Principal, division_path
from protocols import citycode
from protocols.citycode import CityCode, CodeError, Kind

MINTABLE = (Kind.COMPONENT, Kind.DEVICE, Kind.LOGICAL)  # the kinds whose body ends in a serial
LAST_SERIAL = 999_999


@dataclass(frozen=True)
class Known:
    """Where the ledger knows a code from; `kind` is device or gateway, `page` its address in the console."""

    kind: str
    name: str
    division: str
    page: str


@dataclass(frozen=True)
class Minted:
    code: str
    purpose: str
    minted_at: datetime


@dataclass(frozen=True)
class Resolved:
    code: CityCode
    division: Division | None
    known: Known | None
    minted: Minted | None


def read(text: str) -> CityCode:
    """Invalid says which character is wrong, which check was expected, and what it may have been."""
    try:
        return citycode.parse(text)
    except CodeError as error:
        raise Invalid(f"{text[:60]!r} is not a city code: {error}.", fields={"code": str(error)}) from None


def division_of(code: CityCode) -> Division | None:
    if code.kind in (Kind.ORGANISATION, Kind.PERSON):
        return None
    return find(code.body if code.kind in (Kind.AREA, Kind.GRID) else code.division)


def check_minting(principal: Principal, kind: str, division: str, class_: str) -> Kind:
    """Forbidden where the principal's part of the city and the division do not touch."""
    try:
        wanted = Kind(kind)
    except ValueError:
        wanted = Kind.AREA
    if wanted not in MINTABLE:
        kinds = ", ".join(MINTABLE)
        raise Invalid(f"Codes of kind {kind} are not minted here.", fields={"kind": f"one of {kinds}"})
    if not is_district(division):
        raise Invalid(f"Beijing has no district {division}.", fields={"division": "a district's 6 digits, not retired"})
    if not (len(class_) == 4 and class_.isascii() and class_.isdigit()):
        raise Invalid("A class has 4 digits.", fields={"class": "4 digits"})
    if not touches(principal, division):
        raise Forbidden(f"District {division} is outside your scope.")
    if wanted is Kind.DEVICE and not class_.startswith("90"):
        raise Invalid("A device has a class of the local major class 90.", fields={"class": "90 and 2 digits"})
    return wanted


def touches(principal: Principal, district: str) -> bool:
    """Whether the principal's part of the city and the district have something in common."""
    path = division_path(district)
    return principal.covers(path) or any(scope.startswith(path + ".") for scope in principal.scope)


def compose(kind: Kind, division: str, class_: str, serial: int) -> CityCode:
    """Conflict when the serials are used up: a division and class have 999,999."""
    if serial > LAST_SERIAL:
        raise Conflict(f"All serials of {division} {class_} are used.")
    return citycode.mint(kind, f"{division}{class_}{serial:06d}")


def check_purpose(purpose: str) -> str:
    plain = purpose.strip()
    if not 1 <= len(plain) <= 200 or not plain.isprintable():
        raise Invalid("Say in 1 to 200 characters what the code is for.", fields={"purpose": "1 to 200 characters"})
    return plain
