"""Gateways to test with: a process of its own, as it is deployed, or one whose parts can be looked at."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent import config, site
from agent.supervisor import Agent
from drivers import catalog
from tests.agent.uplink.peers import KEY

PASSWORD = "gateway's"


@asynccontextmanager
async def process(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """It runs with the configuration at `path`, and is killed at the end if it still runs."""
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", "agent.cli", "run", str(path))
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@asynccontextmanager
async def inside(path: Path, families: Any = catalog.BUILTIN) -> AsyncIterator[Agent]:
    """A gateway in this process, where its parts can be looked at."""
    settings = config.load(path, {}, families)
    agent, stop = Agent(site.build(settings), families, KEY, PASSWORD), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(agent.run(stop))
        try:
            yield agent
        finally:
            stop.set()
            await running
