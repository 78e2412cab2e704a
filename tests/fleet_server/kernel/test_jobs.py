import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fleet_server.app import open_context
from fleet_server.kernel import jobs
from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Job
from fleet_server.kernel.errors import Unavailable


@pytest.fixture
async def context(fleet_settings: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Context]:
    monkeypatch.setattr(jobs, "STANDBY_S", 0.05)
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0.2)
    async with open_context(fleet_settings, domains=(), clock=clock) as opened:
        yield opened


@asynccontextmanager
async def running(context: Context, *todo: Job) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(jobs.run(context, todo))
        yield
        task.cancel()


class Counting:
    def __init__(self, *errors: Exception) -> None:
        self.runs = 0
        self.errors = list(errors)
        self.ran = asyncio.Condition()

    async def __call__(self, _: Context) -> None:
        async with self.ran:
            self.runs += 1
            self.ran.notify_all()
        if self.errors:
            raise self.errors.pop(0)

    async def reaches(self, runs: int) -> None:
        async with asyncio.timeout(10), self.ran:
            await self.ran.wait_for(lambda: self.runs >= runs)


async def test_a_job_runs_again_and_again(context: Context) -> None:
    count = Counting()
    async with running(context, Job("count", 0.01, count)):
        await count.reaches(3)


async def test_a_failing_job_runs_again_and_stops_no_other(context: Context) -> None:
    failing, other = Counting(ValueError("a bug"), Unavailable("away")), Counting()
    async with running(context, Job("failing", 0.01, failing), Job("other", 0.01, other)):
        await failing.reaches(4)
        await other.reaches(4)


async def test_two_servers_never_run_the_jobs_at_once(context: Context) -> None:
    first, second = Counting(), Counting()
    async with running(context, Job("job", 0.01, first)):
        await first.reaches(1)
        async with running(context, Job("job", 0.01, second)):
            await first.reaches(first.runs + 10)
            assert second.runs == 0


async def test_when_the_leading_connection_is_cut_the_jobs_go_on_after_it(
    context: Context, database_urls: Any, connect: Any
) -> None:
    count = Counting()
    async with running(context, Job("count", 0.01, count)):
        await count.reaches(1)
        async with connect(database_urls.web) as connection:
            cut = await connection.fetchval(
                """SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = 'advisory'
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
            )
        assert cut == 1
        before = count.runs
        await count.reaches(before + 3)
