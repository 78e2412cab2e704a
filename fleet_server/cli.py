"""`hutong-fleet`: the fleet server's processes and the owner's tools. What goes wrong is one line and a status of 1."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from fleet_server.config import ConfigError, Settings, load
from fleet_server.kernel.errors import PlatformError
from fleet_server.kernel.migrate import MigrationError
from fleet_server.kernel.secret_files import SecretsError

log = logging.getLogger(__name__)


class CommandFailed(Exception):
    """With what to tell the person at the terminal."""


EXPECTED = (
    CommandFailed, ConfigError, MigrationError, PlatformError, SecretsError, OSError, ValueError,
    asyncpg.PostgresError, asyncpg.InterfaceError,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=arguments.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = load(arguments.config)
        asyncio.run(arguments.run(settings, arguments))
    except EXPECTED as error:
        print(f"hutong-fleet {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hutong-fleet", description="The hutong fleet server.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="fleet.toml; HUTONG_<SECTION>_<KEY> variables win")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Any, words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(run=run)
        return command

    add("migrate", _migrate, "bring the database up to date (owner's role)")
    add("serve", _serve, "run the web server and the jobs (web role)")
    add("ingest", _ingest, "take messages from the broker (ingest role)")
    add("setup-link", _setup_link, "print a one-time link for the first administrator (owner's role)")
    add("openapi", _openapi, "print the API's description")
    enrol = add("enrol", _enrol, "make a gateway known, and write its key and password (owner's role)")
    enrol.add_argument("code", help="the gateway's city code, D...")
    enrol.add_argument("--name", required=True)
    enrol.add_argument("--division", required=True, help="statistical code, e.g. 110114011")
    enrol.add_argument("--out", type=Path, required=True, metavar="DIR", help="where key and password go, 0600")
    rotate = add("rotate-key", _rotate_key, "give a gateway a new key; the old one stays valid for a week")
    rotate.add_argument("code")
    rotate.add_argument("--at-once", action="store_true", help="the old key was stolen: it opens nothing any more")
    rotate.add_argument("--out", type=Path, required=True, metavar="DIR")
    audit = add("audit", _audit, "check the audit trail (auditor's role)")
    audit.add_argument("what", choices=("verify",))
    outbox = add("outbox", _outbox, "show events that were given up, or try one again (owner's role)")
    outbox.add_argument("--retry", type=int, metavar="EVENT")
    quarantine = add("quarantine", _quarantine, "show how full it is, or make room in it (owner's role)")
    quarantine.add_argument("--discard", metavar="GATEWAY", help="throw away what is kept of this gateway's messages")
    return parser


async def _migrate(settings: Settings, _: argparse.Namespace) -> None:
    from fleet_server.kernel.migrate import migrate

    applied = await migrate(settings.database.url("owner"))
    for migration in applied:
        print(f"applied {migration.number:04d}_{migration.name}")
    if not applied:
        print("the database is up to date")


async def _serve(settings: Settings, arguments: argparse.Namespace) -> None:
    import uvicorn

    from fleet_server.app import create_app

    await _refuse_old_schema(settings, "web")
    config = uvicorn.Config(
        create_app(settings),
        host=settings.web.host,
        port=settings.web.port,
        log_config=None,
        log_level=arguments.log_level,
        access_log=False,  # paths hold codes, queries hold links; the audit trail says who did what
        server_header=False,
        timeout_graceful_shutdown=5,  # live streams never end by themselves
    )
    # uvicorn stops gracefully on either signal and then raises it once more, for whoever handled it before: nobody.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    await uvicorn.Server(config).serve()


async def _ingest(settings: Settings, _: argparse.Namespace) -> None:
    from fleet_server.app import open_context
    from fleet_server.domains import ALL
    from fleet_server.ingest.process import run

    await _refuse_old_schema(settings, "ingest")
    companions = [companion for domain in ALL for companion in domain.companions]
    async with open_context(settings, "ingest") as context:
        await _until_signalled(run(context, companions))


async def _setup_link(settings: Settings, _: argparse.Namespace) -> None:
    from fleet_server.domains.identity.models import set_up_url
    from fleet_server.domains.identity.wiring import create_identity
    from fleet_server.kernel.clock import SystemClock
    from fleet_server.kernel.database import Database

    async with Database(settings.database.url("owner"), size=1) as database:
        secret = await create_identity(database, SystemClock()).make_set_up_link()
    print(set_up_url(settings.web.public_url, secret))


async def _enrol(settings: Settings, arguments: argparse.Namespace) -> None:
    from fleet_server.domains.ledger.credentials import read_key, write_credentials
    from fleet_server.domains.ledger.wiring import create_enrolment
    from fleet_server.kernel.clock import SystemClock
    from fleet_server.kernel.database import Database

    async with Database(settings.database.url("owner"), size=1) as database:
        enrolment = create_enrolment(database, SystemClock(), settings.secrets.dir)
        enrolled = await enrolment.enrol(arguments.code, arguments.name, arguments.division, read_key(arguments.out))
    write_credentials(arguments.out, enrolled.key)
    print(f"{enrolled.gateway.code} is {'enrolled' if enrolled.created else 'known'}: {arguments.out}/key and password")


async def _rotate_key(settings: Settings, arguments: argparse.Namespace) -> None:
    from fleet_server.domains.ledger.credentials import write_key
    from fleet_server.domains.ledger.models import OLD_KEY_VALID
    from fleet_server.domains.ledger.wiring import create_enrolment
    from fleet_server.kernel.clock import SystemClock
    from fleet_server.kernel.database import Database

    async with Database(settings.database.url("owner"), size=1) as database:
        enrolment = create_enrolment(database, SystemClock(), settings.secrets.dir)
        key = await enrolment.rotate_key(arguments.code, at_once=arguments.at_once)
    write_key(arguments.out, key)
    old = "no longer valid" if arguments.at_once else f"valid for {OLD_KEY_VALID.days} more days"
    print(f"{arguments.out}/key is new; the old one is {old}")


async def _audit(settings: Settings, _: argparse.Namespace) -> None:
    from fleet_server.kernel.audit import heads_file, read_heads, verify
    from fleet_server.kernel.database import Database

    heads = read_heads(heads_file(settings))
    async with Database(settings.database.url("auditor"), size=1) as database, database.session() as connection:
        verdict = await verify(connection, heads)
    if verdict.problem:
        raise CommandFailed(f"the audit trail is NOT intact: {verdict.problem}")
    print(f"intact: {verdict.sealed} rows in the chain, {verdict.heads} heads agree, {verdict.waiting} rows wait")


async def _outbox(settings: Settings, arguments: argparse.Namespace) -> None:
    from fleet_server.kernel import relay
    from fleet_server.kernel.database import Database

    async with Database(settings.database.url("owner"), size=1) as database, database.system() as connection:
        if arguments.retry is not None:
            count = await relay.retry(connection, arguments.retry)
            print(f"{count} deliveries of event {arguments.retry} are tried again")
            return
        for row in await relay.parked(connection):
            print(f"{row['event']} {row['type']} {row['key']} {row['consumer']} {row['parked_at']}: {row['error']}")


async def _quarantine(settings: Settings, arguments: argparse.Namespace) -> None:
    from fleet_server.domains.telemetry.clearing import discard, fills
    from fleet_server.ingest.commit import ROOM
    from fleet_server.kernel.database import Database

    async with Database(settings.database.url("owner"), size=1) as database, database.system() as connection:
        if arguments.discard is not None:
            count = await discard(connection, arguments.discard)
            print(f"{count} messages of {arguments.discard} are gone")
            return
        for fill in await fills(connection):
            share = 100 * fill.octets / ROOM
            print(
                f"{fill.gateway} {fill.reason}: {fill.messages} messages, "
                f"{fill.octets} bytes, {share:.0f} % of its room"
            )


async def _openapi(settings: Settings, _: argparse.Namespace) -> None:
    from fleet_server.app import create_app

    print(json.dumps(create_app(settings).openapi(), ensure_ascii=False, indent=2))


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """SIGTERM and SIGINT cancel `work`, which then puts its things in order."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _refuse_old_schema(settings: Settings, role: str) -> None:
    """A database that is away is waited for by whoever needs it; one that is behind would only fail later."""
    from fleet_server.kernel.database import Database
    from fleet_server.kernel.errors import Unavailable
    from fleet_server.kernel.migrate import check

    try:
        async with Database(settings.database.url(role), size=1) as database, database.session() as connection:
            missing = await check(connection)
    except Unavailable:
        return
    if missing:
        raise CommandFailed(f"{len(missing)} migrations are not applied: run `hutong-fleet migrate` first")


if __name__ == "__main__":
    sys.exit(main())
