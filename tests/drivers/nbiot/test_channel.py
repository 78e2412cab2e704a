"""What test_modem.py cannot bring about with a simulated module: answers that come late, and payloads that lie."""

import asyncio
from collections.abc import Callable

import pytest

from drivers.nbiot.channel import CommandChannel, Overdue
from protocols.at.command import Command, Procedure, line_of
from protocols.at.dialect import Heard, Received
from protocols.at.sim7020 import Sim7020


class Wire:
    """A byte stream whose far end is the test."""

    where, char_s, idle_s = "wire", 0.0, 0.0
    quiet_s: float | None = None

    def __init__(self) -> None:
        self.written = b""

    async def open(self, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        self.say, self.lose = on_data, on_lost

    def write(self, data: bytes) -> None:
        self.written += data

    async def close(self) -> None: ...


def ask(text: str, patience_s: float = 0.05) -> Procedure[str]:
    return line_of((yield Command(text, answer=r"\+\w+ ?: ?.*", patience_s=patience_s)))


async def opened() -> tuple[Wire, CommandChannel, list[Heard]]:
    wire, heard = Wire(), list[Heard]()
    channel = CommandChannel(wire, Sim7020(), heard.append, lambda: None, lambda _: None)
    await channel.open()
    channel.expect_echo()
    return wire, channel, heard


async def test_an_answer_that_comes_late_is_never_the_next_commands() -> None:
    wire, channel, _ = await opened()
    with pytest.raises(Overdue, match=r"no answer to AT\+A"):
        await channel.run(ask("AT+A"))
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(channel.run(ask("AT+B", 5.0)))
        await asyncio.sleep(0)
        wire.say(b"AT+A\r\r\n+A: 1\r\n\r\nOK\r\nAT+B\r\r\n+B: 2\r\n\r\nOK\r\n")
    assert asked.result() == "+B: 2"


async def test_the_next_command_waits_for_the_answer_that_a_cancelled_caller_left_behind() -> None:
    wire, channel, _ = await opened()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(channel.run(ask("AT+A", 5.0)))
        await asyncio.sleep(0)
        first.cancel()
        second = tasks.create_task(channel.run(ask("AT+B", 5.0)))
        await asyncio.sleep(0.01)
        assert wire.written == b"AT+A\r"
        wire.say(b"AT+A\r\r\n+A: 1\r\n\r\nOK\r\n")
        while not wire.written.endswith(b"AT+B\r"):  # noqa: ASYNC110 - the wire tells nobody
            await asyncio.sleep(0.001)
        wire.say(b"AT+B\r\r\n+B: 2\r\n\r\nOK\r\n")
    assert second.result() == "+B: 2"


async def test_a_payload_that_is_not_of_its_announced_length_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    wire, _, heard = await opened()
    wire.say(b"\r\n+CSONMI: 0,14,68656C6C6F2053494D3730323045\r\n\r\n+CSONMI: 0,2,78\r\n")
    assert heard == [Received(0, b"x")]
    assert "14 bytes was announced as 7" in caplog.text


async def test_a_module_that_does_not_even_echo_is_overdue_long_before_its_answer_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.nbiot.channel.ECHO_S", 0.02)
    _, channel, _ = await opened()
    async with asyncio.timeout(2):
        with pytest.raises(Overdue):
            await channel.run(ask("AT+A", 60.0))
