import asyncio

from agent.bus.alarm import Alarm
from agent.clock import boottime_ms


async def test_all_who_wait_for_one_moment_are_woken_by_one_timer() -> None:
    loop, alarm, now = asyncio.get_running_loop(), Alarm(), boottime_ms()
    sleepers = [loop.create_future() for _ in range(20)]
    for sleeper in sleepers:
        alarm.wake(sleeper, now + 30, now)
    sleepers[3].cancel()  # its bus was told to end
    sleepers[4].set_result(None)  # its bus was asked for a write
    done = await asyncio.gather(*sleepers, return_exceptions=True)
    assert boottime_ms() - now >= 29
    assert [type(result) for result in done] == [*[type(None)] * 3, asyncio.CancelledError, *[type(None)] * 16]


async def test_moments_do_not_wait_for_one_another() -> None:
    loop, alarm, now = asyncio.get_running_loop(), Alarm(), boottime_ms()
    late, soon, past = (loop.create_future() for _ in range(3))
    alarm.wake(late, now + 60_000, now)
    alarm.wake(soon, now + 20, now)
    alarm.wake(past, now - 5, now)
    await past
    assert not soon.done()
    await soon
    assert not late.done()
