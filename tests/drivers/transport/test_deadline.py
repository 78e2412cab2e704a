import asyncio

import pytest

from drivers.transport.deadline import Deadline


class Bell:
    def __init__(self) -> None:
        self.rung: list[float] = []
        self.heard = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()

    def ring(self) -> None:
        self.rung.append(self._loop.time() - self.began)
        self.heard.set()


@pytest.fixture
async def bell() -> Bell:
    return Bell()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((0.03,), 0.03),
        ((0.03, None, 0.08), 0.08),  # the timer of the first finds that it is not yet time
        ((60.0, None, 0.03), 0.03),  # a shorter one does not wait for the timer of a longer
        ((0.03, 0.08), 0.08),
    ],
)
async def test_only_the_newest_deadline_counts(bell: Bell, seconds: tuple[float | None, ...], expected: float) -> None:
    deadline = Deadline(bell.ring)
    for one in seconds:
        if one is None:
            deadline.clear()
        else:
            deadline.set(one)
    async with asyncio.timeout(5):
        await bell.heard.wait()
    assert bell.rung[0] >= expected - 0.001
    assert len(bell.rung) == 1


async def test_a_deadline_that_was_cleared_or_closed_never_rings(bell: Bell) -> None:
    cleared, closed, last = Deadline(pytest.fail), Deadline(pytest.fail), Deadline(bell.ring)
    cleared.set(0.02)
    closed.set(0.02)
    last.set(0.06)
    cleared.clear()
    closed.close()
    async with asyncio.timeout(5):
        await bell.heard.wait()


async def test_one_timer_serves_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, made = asyncio.get_running_loop(), 0
    call_at = loop.call_at

    def counting(when: float, *arguments: object) -> asyncio.TimerHandle:
        nonlocal made
        made += 1
        return call_at(when, *arguments)  # type: ignore[arg-type]

    deadline = Deadline(pytest.fail)
    monkeypatch.setattr(loop, "call_at", counting)
    for _ in range(100):
        deadline.set(10.0)
        deadline.clear()
    assert made == 1
    deadline.close()
