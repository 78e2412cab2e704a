"""When a program that runs until it is told to end is told so."""

import asyncio
import signal


def told_to_stop() -> asyncio.Event:
    """Set at the first SIGINT or SIGTERM from now on; a SIGINT that whoever started us ignores counts as well."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    return told
