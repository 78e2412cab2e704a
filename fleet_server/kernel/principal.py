"""Who asks, what they may do, and which part of the city they see."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fleet_server.kernel.errors import Forbidden

CITY = "bj"  # the root of every division path: bj.<district, 6 digits>.<sub-district or town, 9 digits>
PERMISSIONS: dict[str, str] = {
    "ledger:read": "see gateways and devices",
    "ledger:write": "name, move and retire devices",
    "telemetry:read": "see present values and history",
    "quarantine:read": "see refused messages",
    "commands:send": "write to devices",
    "configuration:write": "see and change what gateways are configured to do",
    "codes:mint": "mint city codes",
    "metering:write": "record meter replacements",
    "identity:manage": "manage users and tokens",
    "audit:read": "read the audit trail",
}
Kind: TypeAlias = Literal["user", "token", "system"]
_PATH = re.compile(r"[A-Za-z0-9_]{1,32}(\.[A-Za-z0-9_]{1,32}){0,7}")


@dataclass(frozen=True)
class Principal:
    """`scope` holds division paths (ltree); what lies under one of them is seen, an empty scope sees nothing."""

    id: str
    name: str
    kind: Kind
    permissions: frozenset[str]
    scope: tuple[str, ...]

    def __post_init__(self) -> None:
        for path in self.scope:
            if not _PATH.fullmatch(path):
                raise ValueError(f"scope {path!r} is not a division path")

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Forbidden(f"this needs the permission {permission}")

    def covers(self, division: str) -> bool:
        return any(division == path or division.startswith(path + ".") for path in self.scope)


def system(name: str) -> Principal:
    """A job or a subscriber: sees the whole city."""
    return Principal(f"system:{name}", name, "system", frozenset(PERMISSIONS), (CITY,))


def division_path(code: str) -> str:
    """The path of a division given by its statistical code: 110114011 -> bj.110114.110114011; ValueError otherwise."""
    if not re.fullmatch(r"11(\d{4}|\d{7})?", code):
        raise ValueError(f"division {code!r} is not 11, or 6 or 9 digits that begin with 11")
    return ".".join([CITY, *([code[:6]] if len(code) >= 6 else []), *([code] if len(code) == 9 else [])])
