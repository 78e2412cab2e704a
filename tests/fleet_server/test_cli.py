import json
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from fleet_server.cli import main
from protocols.citycode import mint
from sim_devices.city.program import tied

GATEWAY = mint("D", "1101149000000077").text


@pytest.fixture
def config(database_urls: Any, tmp_path: Path) -> Path:
    return write_config(tmp_path, database_urls)


def write_config(folder: Path, urls: Any, more: str = "") -> Path:
    """URLs in files, as a deployment has them."""
    lines = ["[database]"]
    for role in ("owner", "web", "ingest", "auditor"):
        (folder / f"{role}.url").write_text(getattr(urls, role) + "\n")
        lines.append(f'{role}_file = "{role}.url"')
    path = folder / "fleet.toml"
    path.write_text("\n".join(lines) + f'\n[secrets]\ndir = "secrets"\n{more}')
    return path


def run(config: Path, *words: str) -> int:
    return main(["--config", str(config), *words])


def enrol(config: Path, *more: str, division: str = "110114011") -> int:
    out = str(config.parent / "gw1")
    return run(config, "enrol", GATEWAY, "--name", "Gateway 1", "--division", division, "--out", out, *more)


def test_migrate_says_what_it_applied_and_then_that_nothing_is_left(
    empty_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(f'[database]\nowner = "{empty_database_url}"\n')
    assert run(path, "migrate") == 0
    assert capsys.readouterr().out.startswith("applied 0001_kernel\n")
    assert run(path, "migrate") == 0
    assert capsys.readouterr().out == "the database is up to date\n"


def test_enrol_writes_a_key_and_a_password_for_the_gateway_alone(config: Path) -> None:
    assert enrol(config) == 0
    for name, length in (("key", 64), ("password", 32)):
        path = config.parent / "gw1" / name
        assert len(path.read_text().strip()) == length
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_enrolling_again_changes_neither_key_nor_password_and_brings_back_a_lost_key(config: Path) -> None:
    enrol(config)
    folder = config.parent / "gw1"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert enrol(config) == 0
    (folder / "key").unlink()
    assert enrol(config) == 0
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


@pytest.mark.parametrize("content", ["not hexadecimal", "00" * 31, "00" * 32])
def test_enrol_never_writes_over_a_key_it_does_not_know(
    config: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    enrol(config)
    key = config.parent / "gw1" / "key"
    key.write_text(content)
    assert enrol(config) == 1
    assert "move it away" in capsys.readouterr().err
    assert key.read_text() == content


def test_rotate_key_writes_another_key(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enrol(config)
    key = config.parent / "gw1" / "key"
    before = key.read_text()
    assert run(config, "rotate-key", GATEWAY, "--out", str(config.parent / "gw1")) == 0
    assert key.read_text() != before
    assert run(config, "rotate-key", GATEWAY, "--at-once", "--out", str(config.parent / "gw1")) == 0
    assert "the old one is no longer valid" in capsys.readouterr().out


def test_a_mistake_is_one_line_and_a_status_of_1(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enrol(config, division="440300") == 1
    err = capsys.readouterr().err
    assert err.startswith("hutong-fleet enrol: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", ["migrate", "setup-link"])
def test_a_database_that_refuses_us_is_one_line_without_the_password(
    tmp_path: Path, database_urls: Any, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(f'[database]\nowner = "{database_urls.owner.replace(database_urls.name, "elsewhere")}"\n')
    assert run(path, command) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"hutong-fleet {command}: ")
    assert len(err.splitlines()) == 1
    assert urlsplit(database_urls.owner).password not in err


def test_a_set_up_link_is_on_the_public_address(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "setup-link") == 0
    assert capsys.readouterr().out.startswith("http://127.0.0.1:8080/set-up?key=")


def test_audit_verify_fails_loudly_for_a_row_that_was_changed(
    config: Path, database_urls: Any, aside: Any, connect: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def tamper() -> None:
        async with connect(database_urls.owner) as connection:
            await connection.execute("ALTER TABLE audit DISABLE TRIGGER USER")
            await connection.execute("UPDATE audit SET principal_name = 'someone else'")

    enrol(config)
    with serving(config):
        wait_for_heads(config.parent / "audit-heads.log")
    assert run(config, "audit", "verify") == 0
    assert capsys.readouterr().out.endswith("intact: 1 rows in the chain, 1 heads agree, 0 rows wait\n")
    aside(tamper())
    assert run(config, "audit", "verify") == 1
    assert "NOT intact: position 1, audit row 1" in capsys.readouterr().err


def test_openapi_needs_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text("")
    assert run(path, "openapi") == 0
    assert json.loads(capsys.readouterr().out)["info"]["title"] == "hutong fleet server"


def test_serve_refuses_a_database_that_is_behind(
    empty_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(f'[database]\nweb = "{empty_database_url}"\n')
    assert run(path, "serve") == 1
    assert "run `hutong-fleet migrate` first" in capsys.readouterr().err


def test_serve_answers_and_stops_within_seconds_of_sigterm(config: Path) -> None:
    with serving(config) as (process, url):
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:  # noqa: S310 - our own
            assert json.load(answer) == {"ok": True, "database": True, "last_batch_at": None}
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5


def test_no_secret_is_written_to_the_log_not_even_at_its_lowest_level(
    config: Path, database_urls: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    enrol(config)
    run(config, "setup-link")
    link = capsys.readouterr().out.strip().rpartition("=")[2]
    secrets = {
        "link": link,
        "password": "correct horse battery",
        "wrong": "wrong horse battery",
        "next": "new horse 1234",
    }
    with serving(config, "--log-level", "debug") as (process, url), httpx.Client(base_url=url) as client:
        client.headers["origin"] = url
        made = {"key": link, "name": "root", "password": secrets["password"], "again": secrets["password"]}
        assert client.post("/set-up", data=made).status_code == 303
        secrets["cookie"] = client.cookies["hutong_session"]
        wish = {"name": "t", "permissions": ["ledger:read"]}
        secrets["token"] = client.post("/api/v1/tokens", json=wish).json()["secret"]
        bearer = {"authorization": f"Bearer {secrets['token']}"}
        assert client.get("/api/v1/gateways", headers=bearer).json()["items"]
        assert client.get("/api/v1/gateways/%00", headers=bearer).status_code == 422
        assert client.post("/api/v1/session", json={"name": "root", "password": secrets["wrong"]}).status_code == 401
        change = {"old": secrets["password"], "new": secrets["next"]}
        assert client.put("/api/v1/me/password", json=change).status_code == 204
        process.terminate()
        assert process.stderr is not None
        log = process.stderr.read()
    assert "fleet_server" in log
    secrets |= {role: str(urlsplit(getattr(database_urls, role)).password) for role in ("owner", "web", "ingest")}
    files = [config.parent / "secrets" / "key-encryption-key", config.parent / "gw1" / "key"]
    secrets |= {file.name: file.read_text().strip() for file in files}
    assert {name for name, secret in secrets.items() if secret in log} == set()


@contextmanager
def serving(config: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server as a process of its own, on any free port, read from its log."""
    config.write_text(config.read_text() + "[web]\nport = 0\n")
    argv = [*tied(signal.SIGTERM), sys.executable, "-m", "fleet_server.cli", "--config", str(config), *options, "serve"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "running on" in line:
                    yield process, line.split("running on ")[1].split()[0]
                    break
            else:
                pytest.fail("the server did not start")
        finally:
            process.terminate()
            process.communicate(timeout=10)


def wait_for_heads(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "no head was noted"
        time.sleep(0.05)
