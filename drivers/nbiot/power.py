"""The last step of recovery: a command of the operator's that takes the module's power and gives it back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

LONGEST_S = 60.0


def power_cycle(command: Sequence[str]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        """Raises OSError where the command cannot be run, fails, or takes longer than LONGEST_S."""
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(LONGEST_S):
                status = await process.wait()
        except TimeoutError:
            raise OSError(f"{command[0]} ran for longer than {LONGEST_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
        if status != 0:
            raise OSError(f"{command[0]} ended with status {status}")

    return run
