import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fleet_server.app import open_context
from fleet_server.kernel import audit
from fleet_server.kernel.audit import Head, Verdict, heads_file, note_head, read_heads
from fleet_server.kernel.context import Context
from fleet_server.kernel.principal import system
from sim_devices.city.postgres import find_binaries

WHO = system("test")


@dataclass
class Trail:
    context: Context
    urls: Any
    connect: Any

    async def add(self, count: int, **detail: object) -> None:
        async with self.context.database.system() as connection:
            for number in range(count):
                await audit.record(connection, WHO, "test.do", f"thing:{number}", detail)

    async def seal(self) -> None:
        await audit.seal(self.context)

    async def tamper(self, *statements: str) -> None:
        """As the owner, with the triggers off: whoever owns the tables can do this."""
        async with self.connect(self.urls.owner) as connection:
            for table in ("audit", "audit_seal"):
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements:
                await connection.execute(statement)

    async def rechain(self) -> None:
        """Rewrite all hashes so that they fit the rows again."""
        rows = f"SELECT s.position, {audit._ROW} FROM audit_seal s JOIN audit a ON a.id = s.audit_id ORDER BY 1"  # noqa: S608
        last = audit.GENESIS
        async with self.connect(self.urls.owner) as connection:
            for row in await connection.fetch(rows):
                last = audit.chain(last, row)
                await connection.execute("UPDATE audit_seal SET hash = $2 WHERE position = $1", row["position"], last)

    async def verify(self) -> Verdict:
        async with self.connect(self.urls.auditor) as connection:
            return await audit.verify(connection, read_heads(heads_file(self.context.settings)))


@pytest.fixture
async def trail(fleet_settings: Any, clock: Any, database_urls: Any, connect: Any) -> AsyncIterator[Trail]:
    async with open_context(fleet_settings, domains=(), clock=clock) as context:
        yield Trail(context, database_urls, connect)


async def test_an_untouched_chain_verifies_and_counts_what_waits(trail: Trail) -> None:
    await trail.add(3, value="值")
    await trail.seal()
    await trail.add(2)
    await trail.seal()
    await trail.add(1)
    assert await trail.verify() == Verdict(sealed=5, heads=2, waiting=1, problem=None)


async def test_a_trail_without_rows_verifies(trail: Trail) -> None:
    await trail.seal()
    assert await trail.verify() == Verdict(0, 0, 0, None)


async def test_more_rows_than_one_batch_are_sealed_in_one_run(trail: Trail) -> None:
    await trail.add(audit.BATCH + 3)
    await trail.seal()
    assert (await trail.verify()).sealed == audit.BATCH + 3


async def test_a_changed_row_is_named(trail: Trail) -> None:
    await trail.add(4, limit=1)
    await trail.seal()
    await trail.tamper("""UPDATE audit SET detail = '{"limit": 2}' WHERE object = 'thing:1'""")
    problem = (await trail.verify()).problem
    assert problem is not None
    assert problem.startswith("position 2, audit row 2")


async def test_a_number_changed_beyond_what_a_float_holds_is_named(trail: Trail) -> None:
    await trail.add(1, n=10**17)
    await trail.seal()
    await trail.tamper("""UPDATE audit SET detail = '{"n": 100000000000000001}'""")
    assert (await trail.verify()).problem is not None


async def test_a_row_taken_out_is_named(trail: Trail) -> None:
    await trail.add(4)
    await trail.seal()
    await trail.tamper("DELETE FROM audit_seal WHERE position = 2", "DELETE FROM audit WHERE object = 'thing:1'")
    assert (await trail.verify()).problem == "position 2 is missing: the next is 3, audit row 3"


async def test_a_row_slipped_past_the_sealer_is_named(trail: Trail) -> None:
    await trail.add(2)
    await trail.seal()
    await trail.tamper(
        "INSERT INTO audit (principal, principal_name, action, object) VALUES ('', '', 'test.slip', 'x')"
    )
    assert (await trail.verify()).problem == "audit row 3 is neither in the chain nor waiting for it"


async def test_a_chain_rewritten_as_a_whole_differs_from_the_heads_outside(trail: Trail) -> None:
    await trail.add(3)
    await trail.seal()
    await trail.tamper("UPDATE audit SET principal = 'user:someone-else' WHERE object = 'thing:0'")
    await trail.rechain()
    problem = (await trail.verify()).problem
    assert problem is not None
    assert "rewritten" in problem


async def test_a_chain_cut_at_its_end_is_shorter_than_the_heads_outside(trail: Trail) -> None:
    await trail.add(3)
    await trail.seal()
    await trail.tamper("DELETE FROM audit_seal WHERE position = 3", "DELETE FROM audit WHERE object = 'thing:2'")
    assert (await trail.verify()).problem == "the chain ends at position 2, but the heads outside know position 3"


async def test_a_dump_restored_elsewhere_verifies(trail: Trail, empty_database_url: str, tmp_path: Path) -> None:
    """The words of docs/operations.md."""
    await trail.add(3, value=1.50)
    await trail.seal()
    binaries = find_binaries(tmp_path / "none")
    dump = str(tmp_path / "dump")
    argv = [binaries / "pg_dump", "-Fc", "--enable-row-security", "-f", dump, trail.urls.owner]
    subprocess.run(argv, check=True)  # noqa: ASYNC221 - nothing else runs here
    subprocess.run([binaries / "pg_restore", "--exit-on-error", "-d", empty_database_url, dump], check=True)  # noqa: ASYNC221
    async with trail.connect(empty_database_url) as connection:
        verdict = await audit.verify(connection, read_heads(heads_file(trail.context.settings)))
    assert verdict == Verdict(3, 1, 0, None)


async def test_nobody_changes_the_trail_by_accident_not_even_the_owner(trail: Trail) -> None:
    await trail.add(1)
    await trail.seal()
    async with trail.connect(trail.urls.owner) as connection:
        for statement in ("UPDATE audit SET action = 'x'", "DELETE FROM audit_seal", "TRUNCATE audit CASCADE"):
            with pytest.raises(asyncpg.RaiseError, match="append-only"):
                await connection.execute(statement)


async def test_a_row_of_a_transaction_that_fails_is_not_in_the_trail(trail: Trail) -> None:
    async def fail() -> None:
        async with trail.context.database.system() as connection:
            await audit.record(connection, WHO, "test.do", "thing")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    await trail.seal()
    assert (await trail.verify()).sealed == 0


def test_a_head_is_noted_once_and_a_line_cut_by_a_crash_is_left_out(tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "heads.log"
    for _ in range(2):
        note_head(path, 1, bytes([1]) * 32, clock.now())
    note_head(path, 2, bytes([2]) * 32, clock.now())
    path.write_text(path.read_text() + "2026-03-02T08:00:00Z 3 03")
    assert read_heads(path) == [Head(1, bytes([1]) * 32), Head(2, bytes([2]) * 32)]
    assert path.stat().st_mode & 0o777 == 0o600
    note_head(path, 3, bytes([3]) * 32, clock.now())
    assert [head.position for head in read_heads(path)] == [1, 2, 3]


def test_a_spoilt_line_among_the_heads_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "heads.log"
    path.write_text("nonsense\n")
    with pytest.raises(ValueError, match=r"heads\.log:1"):
        read_heads(path)
