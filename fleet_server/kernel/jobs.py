"""Runs the jobs of all domains in one server at a time: the one that holds the advisory lock leads."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Job
from fleet_server.kernel.errors import Unavailable

log = logging.getLogger(__name__)

LOCK = 0x6A6F6273  # "jobs"
STANDBY_S = 5.0
HEARTBEAT_S = 5.0


class LeadLost(Exception):
    """The connection that holds the lock is gone: another server may lead by now."""


async def run(context: Context, jobs: Iterable[Job]) -> None:
    """For ever. The database away: waits for it. A failing job is logged and runs again at its next turn."""
    todo = tuple(jobs)
    while True:
        try:
            async with context.database.session() as connection:
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                    await _lead(context, connection, todo)
        except* LeadLost:
            log.warning("this server no longer runs the jobs: its connection to the database is gone")
        except* Unavailable:
            pass  # logged where it happened
        await asyncio.sleep(STANDBY_S)


async def _lead(context: Context, connection: Any, jobs: tuple[Job, ...]) -> None:
    wakes = {job.name: asyncio.Event() for job in jobs}
    for job in jobs:
        if job.wakes_on:
            await connection.add_listener(job.wakes_on, lambda *_, wake=wakes[job.name]: wake.set())
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    log.info("this server runs the jobs: %s", ", ".join(wakes))
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch(connection, lost), name="jobs-lead")
        for job in jobs:
            group.create_task(_repeat(context, job, wakes[job.name]), name=f"job-{job.name}")


async def _watch(connection: Any, lost: asyncio.Event) -> None:
    while not lost.is_set():
        await _wait(lost, HEARTBEAT_S)
        try:
            await connection.execute("SELECT 1", timeout=HEARTBEAT_S)
        except Exception as error:
            raise LeadLost from error
    raise LeadLost


async def _repeat(context: Context, job: Job, wake: asyncio.Event) -> None:
    while True:
        wake.clear()
        try:
            await job.run(context)
        except Unavailable:
            log.warning("job %s: the database is away; again in %g s", job.name, job.every_s)
        except Exception:
            log.exception("job %s failed; again in %g s", job.name, job.every_s)
        await _wait(wake, job.every_s)


async def _wait(event: asyncio.Event, longest_s: float) -> None:
    try:
        async with asyncio.timeout(longest_s):
            await event.wait()
    except TimeoutError:
        pass
