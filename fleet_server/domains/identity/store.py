"""Identity's SQL, on one connection in a transaction."""

# ruff: noqa: S608 - only this file's own lists of columns are put into statements

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fleet_server.domains.identity.models import Failures, Role, Session, Token, User
from fleet_server.kernel import audit
from fleet_server.kernel.database import Connection
from fleet_server.kernel.principal import Principal

_USER = """u.id, u.name, u.role, u.scope::text[] AS scope, u.status, u.created_at, u.password_changed_at,
           u.last_sign_in_at"""
_TOKEN = "id, user_id, name, permissions, created_at, expires_at, used_at, revoked_at"  # noqa: S105 - columns
_CHANGEABLE = {
    "role": "text",
    "scope": "text[]::ltree[]",
    "status": "text",
    "password_hash": "text",
    "password_changed_at": "timestamptz",
    "last_sign_in_at": "timestamptz",
}
_LOCK = 0x1DE  # one at a time decides about administrators


class PostgresStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def user(self, user_id: UUID, *, lock: bool = False) -> User | None:
        row = await self._connection.fetchrow(
            f"SELECT {_USER} FROM user_account u WHERE u.id = $1 {'FOR UPDATE' if lock else ''}", user_id
        )
        return _user(row) if row else None

    async def user_with_hash(self, name: str) -> tuple[User, str] | None:
        row = await self._connection.fetchrow(
            f"SELECT {_USER}, u.password_hash FROM user_account u WHERE u.name = $1", name
        )
        return (_user(row), row["password_hash"]) if row else None

    async def users(self, limit: int, after: str, roles: Collection[Role], scope: Collection[str]) -> list[User]:
        rows = await self._connection.fetch(
            f"""SELECT {_USER} FROM user_account u
                WHERE u.name > $2 AND u.role = ANY($3::text[])
                  AND NOT EXISTS (SELECT FROM unnest(u.scope) path WHERE NOT path <@ ANY($4::text[]::ltree[]))
                ORDER BY u.name LIMIT $1""",
            limit, after, list(roles), list(scope),
        )  # fmt: skip
        return [_user(row) for row in rows]

    async def has_administrator(self) -> bool:
        """A disabled one counts too: a link is for an empty platform, not for a locked one."""
        found: bool = await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM user_account WHERE role = $1)", Role.ADMINISTRATOR
        )
        return found

    async def other_administrators(self, user_id: UUID) -> int:
        count: int = await self._connection.fetchval(
            "SELECT count(*) FROM user_account WHERE role = $1 AND status = 'active' AND id <> $2",
            Role.ADMINISTRATOR, user_id,
        )  # fmt: skip
        return count

    async def add_user(self, name: str, password_hash: str, role: Role, scope: Collection[str], now: datetime) -> User:
        row = await self._connection.fetchrow(
            f"""INSERT INTO user_account AS u (name, password_hash, role, scope, created_at, password_changed_at)
                VALUES ($1, $2, $3, $4::text[]::ltree[], $5, $5) RETURNING {_USER}""",
            name, password_hash, role, list(scope), now,
        )  # fmt: skip
        return _user(row)

    async def set_user(self, user_id: UUID, values: Mapping[str, object]) -> User:
        columns = ", ".join(f"{name} = ${i}::{_CHANGEABLE[name]}" for i, name in enumerate(values, 2))
        row = await self._connection.fetchrow(
            f"UPDATE user_account u SET {columns} WHERE u.id = $1 RETURNING {_USER}", user_id, *values.values()
        )
        return _user(row)

    async def add_session(
        self, digest: bytes, user_id: UUID, now: datetime, expires_at: datetime, address: str, agent: str
    ) -> None:
        await self._connection.execute(
            """INSERT INTO user_session (hash, user_id, created_at, used_at, expires_at, address, agent)
               VALUES ($1, $2, $3, $3, $4, $5, $6)""",
            digest, user_id, now, expires_at, address, agent,
        )  # fmt: skip

    async def session(self, digest: bytes) -> Session | None:
        row = await self._connection.fetchrow(
            f"""SELECT {_USER}, s.created_at AS opened_at, s.used_at, s.expires_at
                FROM user_session s JOIN user_account u ON u.id = s.user_id WHERE s.hash = $1""",
            digest,
        )
        return Session(_user(row), row["opened_at"], row["used_at"], row["expires_at"]) if row else None

    async def use_session(self, digest: bytes, now: datetime) -> None:
        await self._connection.execute("UPDATE user_session SET used_at = $2 WHERE hash = $1", digest, now)

    async def drop_session(self, digest: bytes) -> UUID | None:
        user_id: UUID | None = await self._connection.fetchval(
            "DELETE FROM user_session WHERE hash = $1 RETURNING user_id", digest
        )
        return user_id

    async def drop_sessions(self, user_id: UUID) -> int:
        rows = await self._connection.fetch("DELETE FROM user_session WHERE user_id = $1 RETURNING 1", user_id)
        return len(rows)

    async def tokens(self, user_id: UUID, limit: int, after: UUID | None) -> list[Token]:
        rows = await self._connection.fetch(
            f"SELECT {_TOKEN} FROM api_token WHERE user_id = $1 AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $2",
            user_id, limit, after,
        )  # fmt: skip
        return [_token(row) for row in rows]

    async def token(self, token_id: UUID) -> Token | None:
        row = await self._connection.fetchrow(f"SELECT {_TOKEN} FROM api_token WHERE id = $1", token_id)
        return _token(row) if row else None

    async def token_by_hash(self, digest: bytes) -> tuple[Token, User] | None:
        row = await self._connection.fetchrow(f"SELECT {_TOKEN} FROM api_token WHERE hash = $1", digest)
        if row is None:
            return None
        owner = await self.user(row["user_id"])
        return (_token(row), owner) if owner else None

    async def add_token(
        self, digest: bytes, user_id: UUID, name: str, permissions: Collection[str], now: datetime, expires_at: datetime
    ) -> Token:
        row = await self._connection.fetchrow(
            f"""INSERT INTO api_token (hash, user_id, name, permissions, created_at, expires_at)
                VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_TOKEN}""",
            digest, user_id, name, list(permissions), now, expires_at,
        )  # fmt: skip
        return _token(row)

    async def use_token(self, token_id: UUID, now: datetime) -> None:
        await self._connection.execute("UPDATE api_token SET used_at = $2 WHERE id = $1", token_id, now)

    async def revoke_token(self, token_id: UUID, now: datetime) -> None:
        await self._connection.execute("UPDATE api_token SET revoked_at = $2 WHERE id = $1", token_id, now)

    async def revoke_tokens(self, user_id: UUID, now: datetime) -> int:
        """All that are valid; how many they were."""
        rows = await self._connection.fetch(
            """UPDATE api_token SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
               RETURNING 1""",
            user_id, now,
        )  # fmt: skip
        return len(rows)

    async def failures(self, subject: str) -> Failures | None:
        """Holds the subject, known or not, until the transaction ends: attempts at once are counted one by one."""
        await self._connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", subject)
        row = await self._connection.fetchrow(
            "SELECT count, last_at, blocked_until FROM sign_in_failure WHERE subject = $1", subject
        )
        return Failures(*row) if row else None

    async def set_failures(self, subject: str, failures: Failures) -> None:
        await self._connection.execute(
            """INSERT INTO sign_in_failure (subject, count, last_at, blocked_until) VALUES ($1, $2, $3, $4)
               ON CONFLICT (subject) DO UPDATE SET count = $2, last_at = $3, blocked_until = $4""",
            subject, failures.count, failures.last_at, failures.blocked_until,
        )  # fmt: skip

    async def forget_failures(self, subject: str) -> None:
        await self._connection.execute("DELETE FROM sign_in_failure WHERE subject = $1", subject)

    async def lock_administrators(self) -> None:
        await self._connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)

    async def add_set_up_link(self, digest: bytes, now: datetime, expires_at: datetime) -> None:
        await self._connection.execute(
            "INSERT INTO set_up_link (hash, created_at, expires_at) VALUES ($1, $2, $3)", digest, now, expires_at
        )

    async def set_up_link_expiry(self, digest: bytes) -> datetime | None:
        """None for an unknown or used link."""
        expires_at: datetime | None = await self._connection.fetchval(
            "SELECT expires_at FROM set_up_link WHERE hash = $1 AND used_at IS NULL", digest
        )
        return expires_at

    async def use_set_up_link(self, digest: bytes, now: datetime) -> None:
        await self._connection.execute("UPDATE set_up_link SET used_at = $2 WHERE hash = $1", digest, now)

    async def prune(self, sessions_before: datetime, used_before: datetime, failures_before: datetime) -> None:
        """Sessions that ended by either clock, and failures that are forgotten."""
        await self._connection.execute(
            "DELETE FROM user_session WHERE expires_at < $1 OR used_at < $2", sessions_before, used_before
        )
        await self._connection.execute("DELETE FROM sign_in_failure WHERE last_at < $1", failures_before)

    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        await audit.record(self._connection, principal, action, object_, detail)


def _user(row: Any) -> User:
    return User(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        scope=tuple(row["scope"]),
        status=row["status"],
        created_at=row["created_at"],
        password_changed_at=row["password_changed_at"],
        last_sign_in_at=row["last_sign_in_at"],
    )


def _token(row: Any) -> Token:
    return Token(
        id=row["id"],
        user=row["user_id"],
        name=row["name"],
        permissions=tuple(row["permissions"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        revoked_at=row["revoked_at"],
    )
