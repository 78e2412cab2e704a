"""A procedure against a written transcript: what it sends is checked, what the modem says is fed byte by byte."""

from typing import TypeVar

from protocols.at.client import AtClient, Unsolicited
from protocols.at.command import Procedure, Response
from protocols.at.dialect import Dialect, Heard

T = TypeVar("T")


def replay(dialect: Dialect, procedure: Procedure[T], transcript: str) -> T:
    """`transcript` is lines of `command -> line / line`; `/` stands for a line end."""
    client = AtClient(dialect.boot)
    turns = [line.strip().split(" -> ") for line in transcript.strip().splitlines()]
    answer: Response | None = None
    try:
        while True:
            command = next(procedure) if answer is None else procedure.send(answer)
            assert turns, f"{command.text} is not in the transcript"
            asked, said = turns.pop(0)
            assert command.text == asked
            client.send(command)
            answer = None
            for byte in (asked + "\r" + "".join(f"\r\n{line.strip()}\r\n" for line in said.split(" / "))).encode():
                client.receive_data(bytes((byte,)))
                while (event := client.next_event()) is not None:
                    assert isinstance(event, Response | Unsolicited)
                    if isinstance(event, Response):
                        assert answer is None
                        answer = event
            assert answer is not None, f"{asked} was never answered"
    except StopIteration as end:
        assert turns == []
        result: T = end.value
        return result


def hear(dialect: Dialect, stream: bytes) -> list[Heard | None]:
    client = AtClient(dialect.boot)
    client.receive_data(stream)
    heard = []
    while (event := client.next_event()) is not None:
        assert isinstance(event, Unsolicited)
        heard.append(dialect.hear(event.line))
    return heard
