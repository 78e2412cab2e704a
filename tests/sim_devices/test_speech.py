import asyncio

from sim_devices.clock import Clock, Now
from sim_devices.faults import Send
from sim_devices.speech import Speech


class Talk:
    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.said = 0

    def receive(self, data: bytes, now: Now) -> list[Send]:
        raise AssertionError((data, now))

    def idle(self, now: Now) -> list[Send]:
        raise AssertionError(now)

    def speak(self, now: Now) -> list[Send]:
        assert now.monotonic
        self.said += 1
        return [Send(0.0, b"%d" % self.said)]


async def test_a_device_speaks_at_its_own_pace_until_its_line_is_gone() -> None:
    talk, heard = Talk(0.01), asyncio.Queue[Send]()
    speech = Speech(talk, Clock().now, lambda sends: heard.put_nowait(sends[0]))
    assert [(await heard.get()).data for _ in range(3)] == [b"1", b"2", b"3"]
    speech.stop()
    said = talk.said
    await asyncio.sleep(0.05)
    assert talk.said == said


async def test_one_that_never_speaks_of_itself_has_no_timer() -> None:
    talk = Talk(0.0)
    speech = Speech(talk, Clock().now, lambda _: None)
    await asyncio.sleep(0.02)
    speech.stop()
    assert talk.said == 0
