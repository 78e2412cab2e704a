import asyncio
import os
import signal

import pytest

from sim_devices.stopping import told_to_stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_tells_even_if_whoever_started_us_ignored_it(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        told = told_to_stop()
        assert not told.is_set()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            await told.wait()
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(each)
        signal.signal(number, before)
