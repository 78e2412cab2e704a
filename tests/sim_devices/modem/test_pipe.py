import asyncio

from sim_devices.modem.pipe import Pipe


async def test_what_was_sent_first_arrives_first_whatever_its_delay() -> None:
    got: list[int] = []
    done = asyncio.Event()

    def take(item: int) -> None:
        got.append(item)
        if len(got) == 4:
            done.set()

    pipe = Pipe(take)
    for item, delay_s in ((1, 0.05), (2, 0.0), (3, 0.02), (4, 0.0)):
        pipe.put(item, delay_s)
    async with asyncio.timeout(5):
        await done.wait()
    assert got == [1, 2, 3, 4]


async def test_what_is_under_way_when_it_is_cleared_never_arrives() -> None:
    got: asyncio.Queue[int] = asyncio.Queue()
    pipe = Pipe(got.put_nowait)
    pipe.put(1, 0.0)
    pipe.clear()
    pipe.put(2, 0.01)
    async with asyncio.timeout(5):
        assert await got.get() == 2
