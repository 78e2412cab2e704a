import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet_server.kernel.migrate import Migration, MigrationError, check, load, migrate, pending

ONE = Migration(1, "one", "CREATE TABLE one (n int)")
TWO = Migration(2, "two", "CREATE TABLE two (n int)")
THREE = Migration(3, "three", "CREATE TABLE three (n int); SELECT 1 / 0")


def test_the_products_migrations_have_unbroken_numbers_from_one() -> None:
    assert [migration.number for migration in load()] == list(range(1, len(load()) + 1))


def test_nothing_is_pending_when_all_is_applied() -> None:
    assert pending((ONE, TWO), {1: ONE.sha256, 2: TWO.sha256}) == ()


def test_a_changed_migration_is_refused() -> None:
    with pytest.raises(MigrationError, match="1_one was changed after it was applied"):
        pending((ONE, TWO), {1: replace(ONE, sql="CREATE TABLE one (n bigint)").sha256})


def test_a_database_newer_than_the_program_is_refused() -> None:
    with pytest.raises(MigrationError, match="does not know"):
        pending((ONE,), {1: ONE.sha256, 2: TWO.sha256})


def test_a_migration_slipped_in_below_an_applied_one_is_refused() -> None:
    with pytest.raises(MigrationError, match="comes before 2"):
        pending((ONE, TWO), {2: TWO.sha256})


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("")
    (tmp_path / "0001_b.sql").write_text("")
    with pytest.raises(MigrationError, match="number 1"):
        load(tmp_path)


def test_a_file_with_another_kind_of_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1-first.sql").write_text("")
    with pytest.raises(MigrationError, match="NNNN_name"):
        load(tmp_path)


async def test_a_failed_migration_leaves_those_before_it_and_no_trace_of_itself(
    empty_database_url: str, connect: Any
) -> None:
    with pytest.raises(MigrationError, match="3_three: division by zero"):
        await migrate(empty_database_url, (ONE, TWO, THREE))
    async with connect(empty_database_url) as connection:
        assert await connection.fetchval("SELECT array_agg(number) FROM schema_migration") == [1, 2]
        assert await connection.fetchval("SELECT to_regclass('three')") is None


async def test_migrating_again_applies_nothing(empty_database_url: str) -> None:
    assert await migrate(empty_database_url, (ONE,)) == (ONE,)
    assert await migrate(empty_database_url, (ONE, TWO)) == (TWO,)
    assert await migrate(empty_database_url, (ONE, TWO)) == ()


async def test_many_that_migrate_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(load())]


async def test_every_role_can_ask_whether_the_schema_is_current(
    module_database_urls: Any, empty_database_url: str, connect: Any
) -> None:
    for url in (module_database_urls.web, module_database_urls.ingest, module_database_urls.auditor):
        async with connect(url) as connection:
            assert await check(connection) == ()
    async with connect(empty_database_url) as connection:
        assert await check(connection) == load()


async def test_after_migrating_nobody_but_the_owner_may_make_temporary_tables(
    empty_database_url: str, connect: Any
) -> None:
    await migrate(empty_database_url)
    async with connect(empty_database_url) as connection:
        may = "SELECT has_database_privilege($1, current_database(), 'TEMPORARY')"
        assert not await connection.fetchval(may, "hutong_web")
