"""Use cases of identity. Each runs in one transaction with its audit row; passwords are hashed outside of any.

All secrets are compared by looking up their hash; a sign-in for an unknown name costs as much as one for a known name.
"""

import asyncio
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fleet_server.domains.identity.models import (
    FORGOTTEN_AFTER,
    ROLES,
    SESSION_IDLE,
    SESSION_LONGEST,
    SET_UP_VALID,
    TOKEN_LONGEST_DAYS,
    TOKEN_PREFIX,
    USE_NOTED_EVERY,
    Failures,
    NewToken,
    Role,
    Session,
    SignedIn,
    Token,
    User,
    UserStatus,
    after_attempt,
    after_success,
    check_grant,
    check_name,
    check_password,
    check_scope,
    hash_secret,
    network_of,
    new_secret,
    token_principal,
)
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from fleet_server.kernel.principal import CITY, PERMISSIONS, Principal, system

_GREETER = system("sign-in")


class Store(Protocol):
    """One transaction. `store.PostgresStore` is the one of the product."""

    async def user(self, user_id: UUID, *, lock: bool = False) -> User | None: ...
    async def user_with_hash(self, name: str) -> tuple[User, str] | None: ...
    async def users(self, limit: int, after: str, roles: Collection[Role], scope: Collection[str]) -> list[User]: ...
    async def has_administrator(self) -> bool: ...
    async def other_administrators(self, user_id: UUID) -> int: ...
    async def add_user(
        self, name: str, password_hash: str, role: Role, scope: Collection[str], now: datetime
    ) -> User: ...
    async def set_user(self, user_id: UUID, values: Mapping[str, object]) -> User: ...
    async def add_session(
        self, digest: bytes, user_id: UUID, now: datetime, expires_at: datetime, address: str, agent: str
    ) -> None: ...
    async def session(self, digest: bytes) -> Session | None: ...
    async def use_session(self, digest: bytes, now: datetime) -> None: ...
    async def drop_session(self, digest: bytes) -> UUID | None: ...
    async def drop_sessions(self, user_id: UUID) -> int: ...
    async def tokens(self, user_id: UUID, limit: int, after: UUID | None) -> list[Token]: ...
    async def token(self, token_id: UUID) -> Token | None: ...
    async def token_by_hash(self, digest: bytes) -> tuple[Token, User] | None: ...
    async def add_token(
        self, digest: bytes, user_id: UUID, name: str, permissions: Collection[str], now: datetime, expires_at: datetime
    ) -> Token: ...
    async def use_token(self, token_id: UUID, now: datetime) -> None: ...
    async def revoke_token(self, token_id: UUID, now: datetime) -> None: ...
    async def revoke_tokens(self, user_id: UUID, now: datetime) -> int: ...
    async def failures(self, subject: str) -> Failures | None: ...
    async def set_failures(self, subject: str, failures: Failures) -> None: ...
    async def forget_failures(self, subject: str) -> None: ...
    async def lock_administrators(self) -> None: ...
    async def add_set_up_link(self, digest: bytes, now: datetime, expires_at: datetime) -> None: ...
    async def set_up_link_expiry(self, digest: bytes) -> datetime | None: ...
    async def use_set_up_link(self, digest: bytes, now: datetime) -> None: ...
    async def prune(self, sessions_before: datetime, used_before: datetime, failures_before: datetime) -> None: ...
    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None: ...


class Transactions(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[Store]: ...


class Passwords:
    """argon2id with the library's present defaults (RFC 9106, low-memory profile), at most `workers` at once: each
    takes 64 MiB and some 50 ms, and a crowd at the door must not take the server's memory."""

    def __init__(self, hasher: PasswordHasher | None = None, workers: int = 2) -> None:
        self._hasher = hasher or PasswordHasher()
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._decoy = ""

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._workers, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Without `stored` it takes as long, and fails."""
        if not self._decoy:
            self._decoy = await self.hash("no user has this password")
        known = stored or self._decoy
        right = await asyncio.get_running_loop().run_in_executor(self._workers, self._compare, known, password)
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        return self._hasher.check_needs_rehash(stored)

    def _compare(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


class Identity:
    """`begin()` opens one transaction: `async with begin() as store`."""

    def __init__(self, begin: Transactions, clock: Clock, passwords: Passwords) -> None:
        self._begin = begin
        self._clock = clock
        self._passwords = passwords

    # -- sessions

    async def sign_in(self, name: str, password: str, *, address: str, agent: str = "", replaces: str = "") -> SignedIn:
        """`replaces` is the cookie the browser came with: its session ends. Unauthenticated; TooMany while blocked."""
        spelled = name.strip().lower()[:64]
        subjects = {"user": f"user:{spelled}", "address": f"address:{network_of(address)}"}
        await self._count_attempt(subjects)
        async with self._begin() as store:
            found = await store.user_with_hash(spelled)
        user, stored = found or (None, None)
        right = await self._passwords.verify(stored, password[:1000])
        now = self._clock.now()
        if not right or user is None or user.status != "active":
            async with self._begin() as store:
                await store.record(
                    _GREETER, "identity.sign-in-failed", f"user:{user.id if user else '?'}", {"address": address}
                )
            raise Unauthenticated("The name or the password is wrong.")
        new_hash = await self._passwords.hash(password) if stored and self._passwords.is_outdated(stored) else None
        async with self._begin() as store:
            # Read again under a lock: it may have been disabled, or its password changed, while we computed.
            present = await store.user(user.id, lock=True)
            if present is None or present.status != "active" or present.password_changed_at != user.password_changed_at:
                raise Unauthenticated("The name or the password is wrong.")
            await store.forget_failures(subjects["user"])
            if (failed := await store.failures(subjects["address"])) is not None:
                await store.set_failures(subjects["address"], after_success(failed, now))
            if replaces:
                await store.drop_session(hash_secret(replaces))
            changes = {"last_sign_in_at": now} | ({"password_hash": new_hash} if new_hash else {})
            present = await store.set_user(user.id, changes)
            return await self._open_session(store, present, now, address, agent)

    async def sign_out(self, secret: str) -> None:
        async with self._begin() as store:
            user_id = await store.drop_session(hash_secret(secret))
            if user_id is not None and (user := await store.user(user_id)) is not None:
                await store.record(user.principal, "identity.sign-out", f"user:{user_id}")

    async def sign_out_everywhere(self, principal: Principal, user_id: UUID) -> int:
        """How many sessions ended. One's own, or with identity:manage those of a user one may manage."""
        async with self._begin() as store:
            await self._own_or_managed(store, principal, user_id)
            count = await store.drop_sessions(user_id)
            await store.record(principal, "identity.sign-out-everywhere", f"user:{user_id}", {"sessions": count})
            return count

    async def by_session(self, secret: str) -> Principal | None:
        digest, now = hash_secret(secret), self._clock.now()
        async with self._begin() as store:
            session = await store.session(digest)
            if session is None or not session.is_valid(now):
                return None
            if now - session.used_at >= USE_NOTED_EVERY:
                await store.use_session(digest, now)
        return session.user.principal

    # -- the first administrator

    async def make_set_up_link(self) -> str:
        """The secret of a link, valid for a day. Conflict once there is an administrator. Needs the owner's role."""
        secret, digest = new_secret()
        async with self._begin() as store:
            if await store.has_administrator():
                raise Conflict("There is an administrator already: sign in, or ask them for a new password.")
            now = self._clock.now()
            await store.add_set_up_link(digest, now, now + SET_UP_VALID)
            await store.record(system("command-line"), "identity.set-up-link", "set-up")
        return secret

    async def check_set_up(self, secret: str) -> None:
        """NotFound for a link that is unknown, used, expired or void, without saying which."""
        async with self._begin() as store:
            await self._require_set_up_link(store, secret)

    async def set_up(self, secret: str, name: str, password: str, *, address: str, agent: str = "") -> SignedIn:
        """Makes the first administrator and signs them in."""
        await self.check_set_up(secret)
        name = check_name(name)
        check_password(password, name)
        password_hash = await self._passwords.hash(password)
        async with self._begin() as store:
            await store.lock_administrators()  # two people with two links: one becomes administrator
            await self._require_set_up_link(store, secret)
            now = self._clock.now()
            await store.use_set_up_link(hash_secret(secret), now)
            user = await store.add_user(name, password_hash, Role.ADMINISTRATOR, (CITY,), now)
            await store.record(user.principal, "identity.set-up", f"user:{user.id}", {"name": name})
            return await self._open_session(store, user, now, address, agent)

    # -- users

    async def user(self, principal: Principal, user_id: UUID) -> User:
        async with self._begin() as store:
            return await self._own_or_managed(store, principal, user_id)

    async def users(self, principal: Principal, *, limit: int = 100, after: str = "") -> list[User]:
        """In order of name, those the principal may manage."""
        principal.require("identity:manage")
        async with self._begin() as store:
            roles = [role for role in Role if ROLES[role] <= principal.permissions]
            return await store.users(limit, after, roles, principal.scope)

    async def create_user(
        self, principal: Principal, name: str, password: str, role: Role, scope: Collection[str]
    ) -> User:
        """Conflict when the name is taken."""
        principal.require("identity:manage")
        name = check_name(name)
        check_password(password, name)
        scope = check_scope(scope)
        check_grant(principal, ROLES[role], scope)
        password_hash = await self._passwords.hash(password)
        async with self._begin() as store:
            if await store.user_with_hash(name):
                raise Conflict(f"There is a user {name} already.", fields={"name": "taken"})
            user = await store.add_user(name, password_hash, role, scope, self._clock.now())
            detail = {"name": name, "role": role, "scope": list(scope)}
            await store.record(principal, "identity.create-user", f"user:{user.id}", detail)
            return user

    async def change_user(
        self,
        principal: Principal,
        user_id: UUID,
        *,
        role: Role | None = None,
        scope: Collection[str] | None = None,
        status: UserStatus | None = None,
        password: str | None = None,
    ) -> User:
        """What is None stays. Any change ends the user's sessions, and a new password their tokens too: who had the old
        one may have made some. The last active administrator stays one."""
        principal.require("identity:manage")
        scope = None if scope is None else check_scope(scope)
        password_hash = None
        if password is not None:
            check_password(password, "")
            password_hash = await self._passwords.hash(password)
        async with self._begin() as store:
            await store.lock_administrators()  # two administrators who demote one another
            user = await self._own_or_managed(store, principal, user_id, lock=True)
            new_role, new_status = role or user.role, status or user.status
            check_grant(principal, ROLES[new_role], user.scope if scope is None else scope)
            administers = new_role is Role.ADMINISTRATOR and new_status == "active"
            administered = user.role is Role.ADMINISTRATOR and user.status == "active"
            if administered and not administers and not await store.other_administrators(user_id):
                raise Conflict("This is the last administrator: name another one first.")
            changes: dict[str, object] = {
                "role": role,
                "scope": None if scope is None else list(scope),
                "status": status,
            }
            changes = {key: value for key, value in changes.items() if value is not None}
            detail = changes | ({"password": "changed"} if password_hash else {})
            if password_hash:
                changes |= {"password_hash": password_hash, "password_changed_at": self._clock.now()}
            if not changes:
                return user
            user = await store.set_user(user_id, changes)
            await store.drop_sessions(user_id)
            if password_hash and (revoked := await store.revoke_tokens(user_id, self._clock.now())):
                detail |= {"tokens_revoked": revoked}
            await store.record(principal, "identity.change-user", f"user:{user_id}", detail)
            return user

    async def change_password(self, principal: Principal, old: str, new: str) -> None:
        """One's own. Ends all one's sessions, this one too."""
        user_id = _own_id(principal)
        async with self._begin() as store:
            found = await store.user_with_hash(principal.name)
        if found is None or found[0].id != user_id:
            raise NotFound("There is no such user.")
        await self._count_attempt({"user": f"user:{principal.name}"})
        if not await self._passwords.verify(found[1], old[:1000]):
            raise Invalid("The present password is wrong.", fields={"old": "wrong"})
        check_password(new, principal.name)
        password_hash = await self._passwords.hash(new)
        async with self._begin() as store:
            await store.forget_failures(f"user:{principal.name}")
            now = self._clock.now()
            await store.set_user(user_id, {"password_hash": password_hash, "password_changed_at": now})
            await store.drop_sessions(user_id)
            await store.record(principal, "identity.change-password", f"user:{user_id}")

    # -- API tokens

    async def tokens(self, principal: Principal, *, limit: int = 100, after: UUID | None = None) -> list[Token]:
        """One's own, revoked and expired ones too, in order of id."""
        async with self._begin() as store:
            return await store.tokens(_own_id(principal), limit, after)

    async def create_token(
        self, principal: Principal, name: str, permissions: Collection[str], expires_in_days: int
    ) -> NewToken:
        """A token is made by a person signed in, never by another token."""
        user_id = _own_id(principal)
        unknown = sorted(set(permissions) - set(PERMISSIONS))
        if unknown or not permissions:
            raise Invalid(
                f"Unknown permissions: {', '.join(unknown) or 'none given'}.", fields={"permissions": "unknown"}
            )
        check_grant(principal, permissions, principal.scope)
        if not 1 <= expires_in_days <= TOKEN_LONGEST_DAYS:
            rule = f"1 to {TOKEN_LONGEST_DAYS} days"
            raise Invalid(f"A token lives {rule}.", fields={"expires_in_days": rule})
        if not 1 <= len(name.strip()) <= 100:
            raise Invalid("A token has a name of 1 to 100 characters.", fields={"name": "1 to 100 characters"})
        secret, digest = new_secret(TOKEN_PREFIX)
        async with self._begin() as store:
            now = self._clock.now()
            expires_at = now + timedelta(days=expires_in_days)
            token = await store.add_token(digest, user_id, name.strip(), sorted(set(permissions)), now, expires_at)
            detail = {"name": token.name, "permissions": list(token.permissions), "expires_at": expires_at.isoformat()}
            await store.record(principal, "identity.create-token", f"token:{token.id}", detail)
        return NewToken(secret, token)

    async def revoke_token(self, principal: Principal, token_id: UUID) -> None:
        async with self._begin() as store:
            token = await store.token(token_id)
            if token is None:
                raise NotFound("There is no such token.")
            await self._own_or_managed(store, principal, token.user)
            if token.revoked_at is None:
                await store.revoke_token(token_id, self._clock.now())
                await store.record(principal, "identity.revoke-token", f"token:{token_id}")

    async def by_token(self, secret: str) -> Principal | None:
        if not secret.startswith(TOKEN_PREFIX):
            return None
        now = self._clock.now()
        async with self._begin() as store:
            found = await store.token_by_hash(hash_secret(secret))
            if found is None:
                return None
            token, owner = found
            if not token.is_valid(now) or owner.status != "active":
                return None
            if token.used_at is None or now - token.used_at >= USE_NOTED_EVERY:
                await store.use_token(token.id, now)
        return token_principal(token, owner)

    async def prune(self) -> None:
        now = self._clock.now()
        async with self._begin() as store:
            await store.prune(now, now - SESSION_IDLE, now - FORGOTTEN_AFTER)

    # -- within

    async def _count_attempt(self, subjects: Mapping[str, str]) -> None:
        """Counts a failure before the password is looked at, so that a thousand attempts at once are not one; success
        takes it back. TooMany, uncounted, while a subject is blocked."""
        now = self._clock.now()
        async with self._begin() as store:
            known = {kind: await store.failures(subject) for kind, subject in sorted(subjects.items())}
            until = max((f.blocked_until for f in known.values() if f is not None), default=now)
            if until > now:
                wait = int((until - now).total_seconds()) + 1
                raise TooMany(f"Too many wrong passwords. Try again in {wait} s.", retry_after_s=wait)
            for kind, failures in known.items():
                await store.set_failures(subjects[kind], after_attempt(kind, failures, now))

    async def _open_session(self, store: Store, user: User, now: datetime, address: str, agent: str) -> SignedIn:
        secret, digest = new_secret()
        await store.add_session(digest, user.id, now, now + SESSION_LONGEST, address[:100], agent[:200])
        await store.record(user.principal, "identity.sign-in", f"user:{user.id}", {"address": address})
        return SignedIn(secret, user, now + SESSION_LONGEST)

    async def _require_set_up_link(self, store: Store, secret: str) -> None:
        expires_at = await store.set_up_link_expiry(hash_secret(secret))
        if expires_at is None or expires_at <= self._clock.now() or await store.has_administrator():
            raise NotFound("This set-up link is not valid (any more). `hutong-fleet setup-link` makes a new one.")

    async def _own_or_managed(self, store: Store, principal: Principal, user_id: UUID, *, lock: bool = False) -> User:
        user = await store.user(user_id, lock=lock)
        if user is not None and principal.id == f"user:{user_id}":
            return user
        if user is None or not principal.may("identity:manage") or not user.is_within(principal):
            raise NotFound("There is no such user.")
        return user


def _own_id(principal: Principal) -> UUID:
    if principal.kind != "user":
        raise Forbidden("Only a person who signed in may do this, not a token.")
    return UUID(principal.id.removeprefix("user:"))
