"""Users, sessions and tokens, and the rules about them. Pure."""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal, TypeAlias
from uuid import UUID

from fleet_server.kernel.divisions import known_path
from fleet_server.kernel.errors import Invalid
from fleet_server.kernel.principal import PERMISSIONS, Principal


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    TECHNICIAN = "technician"
    VIEWER = "viewer"


ROLES: Mapping[Role, frozenset[str]] = {
    Role.ADMINISTRATOR: frozenset(PERMISSIONS),
    Role.OPERATOR: frozenset(
        {
            "ledger:read",
            "ledger:write",
            "telemetry:read",
            "quarantine:read",
            "commands:send",
            "configuration:write",
            "codes:mint",
            "metering:write",
        }
    ),
    Role.TECHNICIAN: frozenset({"ledger:read", "ledger:write", "telemetry:read", "codes:mint", "metering:write"}),
    Role.VIEWER: frozenset({"ledger:read", "telemetry:read"}),
}
UserStatus: TypeAlias = Literal["active", "disabled"]

SESSION_IDLE = timedelta(hours=12)
SESSION_LONGEST = timedelta(days=7)
SET_UP_VALID = timedelta(hours=24)
SET_UP_PATH = "/set-up"
TOKEN_PREFIX = "hut_"  # noqa: S105 - lets scanners of repositories find a leaked one
TOKEN_LONGEST_DAYS = 366
USE_NOTED_EVERY = timedelta(minutes=1)  # a write a minute, not a write a request

# NIST SP 800-63B-4, 3.1.1.2: length counts, composition rules do not. argon2 has no limit; ours bounds its work.
PASSWORD_SHORTEST, PASSWORD_LONGEST = 12, 256

# Wrong passwords that cost nothing, and the longest wait after more. A name's is short, because anyone can fail for it.
FREE_FAILURES = {"user": 3, "address": 10}
LONGEST_BLOCK = {"user": timedelta(minutes=1), "address": timedelta(minutes=15)}
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class User:
    id: UUID
    name: str
    role: Role
    scope: tuple[str, ...]
    status: UserStatus
    created_at: datetime
    password_changed_at: datetime
    last_sign_in_at: datetime | None

    @property
    def principal(self) -> Principal:
        return Principal(f"user:{self.id}", self.name, "user", ROLES[self.role], self.scope)

    def is_within(self, principal: Principal) -> bool:
        """Whether `principal` may see and manage this user: nothing of the scope or role goes beyond its own."""
        return all(map(principal.covers, self.scope)) and ROLES[self.role] <= principal.permissions


@dataclass(frozen=True)
class Session:
    user: User
    created_at: datetime
    used_at: datetime
    expires_at: datetime

    def is_valid(self, now: datetime) -> bool:
        return now < self.expires_at and now - self.used_at < SESSION_IDLE and self.user.status == "active"


@dataclass(frozen=True)
class Token:
    id: UUID
    user: UUID
    name: str
    permissions: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


def token_principal(token: Token, owner: User) -> Principal:
    """What the token was given, as far as its owner still has it."""
    permissions = frozenset(token.permissions) & ROLES[owner.role]
    return Principal(f"token:{token.id}", f"{owner.name} ({token.name})", "token", permissions, owner.scope)


@dataclass(frozen=True)
class Failures:
    """Of one subject, `user:<name>` or `address:<address>`."""

    count: int
    last_at: datetime
    blocked_until: datetime


def network_of(address: str) -> str:
    """What failures are counted by: of IPv6 the /64, for whoever has one address there has them all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return address


def after_attempt(kind: str, before: Failures | None, now: datetime) -> Failures:
    """The count with one more failure, and until when the subject waits: 2, 4, 8, ... s behind the free ones."""
    count = 1 if before is None or now - before.last_at > FORGOTTEN_AFTER else before.count + 1
    excess = count - FREE_FAILURES[kind]
    wait = min(timedelta(seconds=2 ** min(excess, 20)), LONGEST_BLOCK[kind]) if excess > 0 else timedelta()
    return Failures(count, now, now + wait)


def after_success(before: Failures, now: datetime) -> Failures:
    """Takes the present attempt back and nothing else: who has one password has not earned guesses at others."""
    return Failures(before.count - 1, before.last_at, now)


@dataclass(frozen=True)
class SignedIn:
    """`secret` is the session cookie's value and exists nowhere else."""

    secret: str = field(repr=False)
    user: User
    expires_at: datetime


@dataclass(frozen=True)
class NewToken:
    """`secret` is shown once."""

    secret: str = field(repr=False)
    token: Token


def new_secret(prefix: str = "") -> tuple[str, bytes]:
    """256 random bits as text, and the hash to store. SHA-256 is enough: there is nothing to guess."""
    secret = prefix + secrets.token_urlsafe(32)
    return secret, hash_secret(secret)


def hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def set_up_url(public_url: str, secret: str) -> str:
    return f"{public_url}{SET_UP_PATH}?key={secret}"


def check_name(name: str) -> str:
    """The name in its one spelling; Invalid."""
    plain = name.strip().lower()
    if not 1 <= len(plain) <= 64 or not plain.isprintable() or any(c.isspace() for c in plain):
        raise Invalid("A name has 1 to 64 characters and no spaces.", fields={"name": "1 to 64 characters, no spaces"})
    return plain


def check_password(password: str, name: str) -> None:
    if not PASSWORD_SHORTEST <= len(password) <= PASSWORD_LONGEST:
        rule = f"{PASSWORD_SHORTEST} to {PASSWORD_LONGEST} characters"
        raise Invalid(f"A password has {rule}.", fields={"password": rule})
    if len(set(password)) < 4 or (name and not password.lower().replace(name, "")):
        raise Invalid("This password would be guessed first.", fields={"password": "too easy to guess"})


def check_scope(scope: Collection[str]) -> tuple[str, ...]:
    """The paths of divisions that exist, given by path or code, each once; Invalid."""
    try:
        return tuple(dict.fromkeys(map(known_path, scope)))
    except Invalid as error:
        raise Invalid(error.detail, fields={"scope": "divisions of Beijing, e.g. bj.110114"}) from None


def check_grant(principal: Principal, permissions: Collection[str], scope: Collection[str]) -> None:
    """Nobody gives what they have not: Invalid names what is too much."""
    excess = sorted(set(permissions) - principal.permissions)
    if excess:
        raise Invalid(
            f"You cannot give {', '.join(excess)}: you do not have it.", fields={"permissions": "beyond your own"}
        )
    beyond = sorted(path for path in scope if not principal.covers(path))
    if beyond or not scope:
        detail = f"You cannot give {', '.join(beyond)}: it is outside your scope." if beyond else "The scope is empty."
        raise Invalid(detail, fields={"scope": "within your own scope, at least one division"})
