"""A process that spools without end and says what is on disk; its parent kills it. Run as a script."""

import asyncio
import sys
from pathlib import Path

from agent.spool import Spool
from tests.agent.spool.messages import batch, event


async def main(folder: Path) -> None:
    async with Spool(folder / "spool.db", 64 << 20, group_s=0.002) as spool:
        number = 0

        async def put_one_after_another(urgent: bool) -> None:
            nonlocal number
            while True:
                number += 1
                mine = number
                seq = await spool.put(event(mine, 200) if urgent else batch(mine, values=500), urgent=urgent)
                sys.stdout.write(f"{spool.snapshot.incarnation:x} {seq} {mine}\n")
                sys.stdout.flush()

        async with asyncio.TaskGroup() as tasks:
            for urgent in (True, False, False):
                tasks.create_task(put_one_after_another(urgent))


asyncio.run(main(Path(sys.argv[1])))
