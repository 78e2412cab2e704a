"""A gateway's spool and uplink that put without end, and say what is on disk; the parent kills it. Run as a script."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from agent.uplink import Broker
from tests.agent.spool.messages import batch, event
from tests.agent.uplink.peers import GATEWAY, PASSWORD, City, gateway


async def main(folder: Path, port: int, quota: int, first: int) -> None:
    number = first
    to = Broker("127.0.0.1", port, username=GATEWAY, password=PASSWORD)
    async with gateway(City(folder), folder, to=to, quota=quota) as edge:
        while True:
            number += 1
            urgent = number % 5 == 0
            made = batch(number, values=300)  # of its number, wherever it is said again
            at = replace(made.origin, boottime_ms=1000 * number)
            made = replace(made, origin=at, t0=1_700_000_000_000 + 1000 * number)
            await edge.spool.put(event(number, 100) if urgent else made, urgent=urgent)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
