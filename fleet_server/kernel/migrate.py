"""One linear history of numbered SQL files, each applied once, in its own transaction, and recorded with its hash."""

import hashlib
import logging
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import asyncpg

log = logging.getLogger(__name__)

LOCK = 0x6875746F  # "huto": one migrator at a time
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class MigrationError(Exception):
    """The database's history and the files' do not fit; nothing was applied that is not recorded."""


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


def load(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The migrations of `folder` in order; MigrationError for two of one number or a file of another name."""
    found: dict[int, Migration] = {}
    for file in (folder or files("fleet_server").joinpath("migrations")).iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _FILE.fullmatch(file.name)
        if match is None:
            raise MigrationError(f"{file.name}: a migration is called NNNN_name.sql")
        number = int(match[1])
        if number in found:
            raise MigrationError(f"two migrations have the number {number}: {found[number].name} and {match[2]}")
        found[number] = Migration(number, match[2], file.read_text(encoding="utf-8"))
    return tuple(found[number] for number in sorted(found))


def pending(migrations: tuple[Migration, ...], applied: dict[int, bytes]) -> tuple[Migration, ...]:
    """Those to apply; MigrationError when the applied ones (number -> hash) are not exactly the first of them."""
    known = {migration.number: migration for migration in migrations}
    for number, sha256 in sorted(applied.items()):
        if number not in known:
            raise MigrationError(f"the database has migration {number}, which this program does not know: it is older")
        if known[number].sha256 != sha256:
            raise MigrationError(
                f"migration {number}_{known[number].name} was changed after it was applied; write a new one instead"
            )
    newest = max(applied, default=0)
    missing = [migration for migration in migrations if migration.number not in applied]
    if missing and missing[0].number < newest:
        raise MigrationError(f"migration {missing[0].number} comes before {newest}, which is applied already")
    return tuple(missing)


async def migrate(url: str, migrations: tuple[Migration, ...] | None = None) -> tuple[Migration, ...]:
    """Bring the database at `url` (the owner's) up to date; gives the migrations that were applied."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute(_TABLE)
        todo = pending(load() if migrations is None else migrations, await _applied(connection))
        for migration in todo:
            await _apply(connection, migration)
        return todo
    finally:
        await connection.close()  # frees the lock too


async def check(connection: Any) -> tuple[Migration, ...]:
    """What is not applied yet, asked by any role that may read schema_migration."""
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return load()
    return pending(load(), await _applied(connection))


async def _apply(connection: Any, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration.number}_{migration.name}: {error}") from error
    log.info("applied migration %04d_%s", migration.number, migration.name)


async def _applied(connection: Any) -> dict[int, bytes]:
    rows = await connection.fetch("SELECT number, sha256 FROM schema_migration")
    return {row["number"]: row["sha256"] for row in rows}
