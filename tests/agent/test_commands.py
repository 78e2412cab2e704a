import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import commands
from agent.bus.device import Device
from agent.bus.owner import Bus
from agent.clock import FLOOR_MS, Now
from agent.commands import Executor, Result, Status, Target, expired, gate
from agent.interlocks import Interlock
from agent.spool import Spool
from drivers import catalog
from drivers.base import Channel, LineConfig, Reading
from protocols.edge.birth import Kind
from protocols.edge.columns import F32LE, I32LE
from protocols.edge.messages import Clock, ClockState, Command, Event, Origin, decode, encode
from protocols.edge.requirement import Requirement

GATEWAY = "D1101149001000077A"
UTC = FLOOR_MS + 10**9
FREE = Clock(ClockState.FREE_RUNNING)
FAMILY = catalog.BUILTIN["modbus-tcp"]
LAMP = FAMILY.load_model("lamp_controller")


def channel(**changes: Any) -> Channel:
    fields: dict[str, Any] = {
        "name": "dim",
        "title": {},
        "quantity": "Percentage",
        "unit": "%",
        "kind": Kind.GAUGE,
        "tag": I32LE,
        "scale": -1,
        "limits": (Decimal(0), Decimal(100)),
        "writable": True,
    }
    return Channel(**(fields | changes))


def target(**changes: Any) -> Target:
    return Target(0, 0, 0, channel(**changes))


def command(value: str | int = 50, number: int = 1, **changes: Any) -> Command:
    fields: dict[str, Any] = {
        "gateway": GATEWAY,
        "incarnation": 7,
        "number": number,
        "id": number.to_bytes(16, "big"),
        "issued": UTC,
        "expires": UTC + 60_000,
        "device": "D0",
        "channel": "dim",
        "value": Decimal(value),
        "principal": "li",
    }
    return Command(**(fields | changes))


def decide(value: str | int = 50, **changes: Any) -> Target | Result:
    return gate(command(value), {"D0": {"dim": target(**changes)}})


@pytest.mark.parametrize("value", ["0", "100", "50.1", "5E+1", "50.10"])
def test_a_value_within_limits_and_step_is_let_through(value: str) -> None:
    assert isinstance(decide(value), Target)


@pytest.mark.parametrize(
    ("value", "changes", "words"),
    [
        ("100.1", {}, "100.1 is not between 0 and 100 %"),
        ("-0.1", {}, "-0.1 is not between"),
        ("50.01", {}, "finer than the channel's step of 0.1"),
        ("1E-400", {}, "finer than"),
        ("1E+999999", {"limits": None}, "no channel has a value this large"),
        ("50", {"writable": False}, "channel 'dim' cannot be written"),
        ("2", {"kind": Kind.STATE, "scale": 0, "states": {0: {}, 1: {}}}, "2 is none of the states of 'dim': 0, 1"),
    ],
)
def test_a_value_that_may_not_be_written_is_refused_with_the_reason(
    value: str, changes: dict[str, Any], words: str
) -> None:
    result = decide(value, **changes)
    assert isinstance(result, Result)
    assert result.status is Status.REFUSED
    assert words in result.detail


def test_an_unknown_device_or_channel_is_refused_by_name() -> None:
    assert gate(command(device="D9"), {}) == Result(Status.REFUSED, "this gateway has no device D9")
    assert gate(command(channel="dom"), {"D0": {"dim": target()}}) == Result(
        Status.REFUSED, "device D0 has no channel 'dom'"
    )


def test_a_float_channel_takes_any_finite_value() -> None:
    assert isinstance(decide("0.123456789", tag=F32LE, scale=0), Target)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_whatever_the_value_the_gate_decides_and_lets_nothing_through_that_is_out_of_limits(value: Decimal) -> None:
    result = gate(command(str(value)), {"D0": {"dim": target()}})
    assert isinstance(result, Result) or (0 <= value <= 100 and value.scaleb(1) == int(value * 10))


def test_a_command_is_expired_from_its_very_moment_on() -> None:
    one = command()
    assert expired(one, Now(0, UTC + 59_999, FREE)) is None
    late = expired(one, Now(0, UTC + 60_000, FREE))
    assert late is not None
    assert late.status is Status.EXPIRED


def test_a_clock_that_was_never_set_executes_nothing() -> None:
    result = expired(command(), Now(0, 1000, Clock(ClockState.UNSET)))
    assert result is not None
    assert result.status is Status.REFUSED


def test_a_command_from_the_far_future_shows_that_a_clock_is_wrong() -> None:
    result = expired(command(issued=UTC + 400_000, expires=UTC + 500_000), Now(0, UTC, FREE))
    assert result is not None
    assert result.status is Status.REFUSED


class Rig:
    """A lamp on a bus with a real peer, a spool on disk, and an executor between them."""

    def __init__(self, peer: Any, spool: Spool, locks: tuple[Interlock, ...] = ()) -> None:
        self.utc = UTC
        self.boottime = 1000
        self.spool = spool
        device = Device(0, "D0", "Lamp", 1, 200, LAMP)
        self.bus = Bus(
            "pole", FAMILY.create_line(LineConfig("modbus-tcp", peer.address)), [device], 0.1, self, lambda _: None
        )
        self.targets = {"D0": {one.name: Target(0, 0, number, one) for number, one in enumerate(LAMP.channels)}}
        self.executor = Executor(spool, {0: self.bus}, self.targets, self.now, self.origin, {"D0": locks})

    def add(self, *_: object) -> None: ...

    missed = add

    def now(self) -> Now:
        return Now(self.boottime, self.utc, FREE)

    def origin(self) -> Origin:
        return Origin(GATEWAY, 0, 0, bytes(16), 1000, FREE)

    async def results(self) -> list[Event]:
        rows = await self.spool.read(0, 10**6)
        found = [decode(row.payload) for row in rows]
        return [message for message in found if isinstance(message, Event)]


@asynccontextmanager
async def rig(peer: Any, path: Path, *, execute: bool = True, locks: tuple[Interlock, ...] = ()) -> AsyncIterator[Rig]:
    async with Spool(path / "spool.db", 10**7) as spool, asyncio.TaskGroup() as tasks:
        made = Rig(peer, spool, locks)
        running = [tasks.create_task(made.bus.run())]
        if execute:
            running.append(tasks.create_task(made.executor.run()))
        yield made
        for task in running:
            task.cancel()


def dim(value: int, number: int = 1, **changes: Any) -> Command:
    return command(value, number, **({"channel": "dim_setpoint"} | changes))


async def told(made: Rig, until: Any, count: int = 1) -> list[dict[str, Any]]:
    async def enough() -> list[Event] | None:
        events = await made.results()
        return events if len(events) >= count else None

    events = await until(enough)
    return [dict(event.data) | {"source": event.source, "kind": event.kind} for event in events]


async def test_a_command_is_written_read_back_and_reported(peer: Any, tmp_path: Path, until: Any) -> None:
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55))
        (event,) = await told(made, until)
        assert await made.spool.unfinished_commands() == []
    assert peer.holding[1][0] == 55
    assert (event["kind"], event["source"], event["status"], event["readback"]) == ("command-result", "D0", "done", 55)
    assert event["id"] == dim(55).id


async def test_what_a_new_configuration_requires_holds_for_a_command_whose_needs_are_being_read(
    peer: Any, tmp_path: Path, until: Any
) -> None:
    class Slow:
        """The configuration changes while the relay is read."""

        def __init__(self, rig: Rig) -> None:
            self._rig, self.write = rig, rig.bus.write

        async def read_back(self, device: int, channel: int) -> Reading:
            reading = await self._rig.bus.read_back(device, channel)
            barred = Interlock("dim_setpoint", None, (Requirement("D9", "relay", Decimal(1), Decimal(1)),), 0)
            self._rig.executor.exchange({}, dict(self._rig.targets), {"D0": (barred,)})
            return reading

    async with rig(peer, tmp_path) as made:
        peer.coils[1] = {0: 1}
        made.executor.exchange({0: Slow(made)}, made.targets, {})
        made.executor.submit(dim(55, requires=(RELAY_ON,)))
        (event,) = await told(made, until)
    assert (event["status"], peer.holding) == ("refused", {})
    assert "relay of D9 is required" in event["detail"]


async def test_a_rules_command_is_reported_as_such_and_needs_no_clock(peer: Any, tmp_path: Path, until: Any) -> None:
    async with rig(peer, tmp_path) as made:
        made.utc = UTC + 10**9  # by which it would have expired
        made.executor.submit(dim(55, principal="rule:dusk"), made.boottime + 1)
        (event,) = await told(made, until)
    assert peer.holding[1][0] == 55
    assert (event["kind"], event["status"], event["rule"]) == ("rule-command", "done", "dusk")
    assert (event["channel"], event["value"]) == ("dim_setpoint", 55)


async def test_a_rules_command_that_waited_too_long_is_not_begun(peer: Any, tmp_path: Path, until: Any) -> None:
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55, principal="rule:dusk"), made.boottime)
        (event,) = await told(made, until)
    assert (event["kind"], event["status"], peer.holding) == ("rule-command", "expired", {})


async def test_a_rules_command_that_a_crash_interrupted_is_read_back_and_not_repeated(
    peer: Any, tmp_path: Path, until: Any
) -> None:
    one = dim(55, principal="rule:dusk")
    peer.holding[1] = {0: 11}
    async with rig(peer, tmp_path, execute=False) as made:
        await made.spool.begin_command(one.id, encode(one), UTC)
    async with rig(peer, tmp_path) as made:
        (event,) = await told(made, until)
    assert (event["kind"], event["status"], event["readback"]) == ("rule-command", "unknown", 11)
    assert peer.holding[1] == {0: 11}


async def test_a_command_that_comes_again_is_not_executed_again(peer: Any, tmp_path: Path, until: Any) -> None:
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55))
        await told(made, until)
        peer.holding[1][0] = 11
        made.executor.submit(dim(55))
        made.executor.submit(dim(22, number=2))
        await told(made, until, 2)
        assert made.executor.counters.repeated == 1
        assert len(await made.results()) == 2
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55))
        made.executor.submit(dim(33, number=3))
        await told(made, until, 3)
    assert peer.holding[1][0] == 33
    assert [request[3] for request in peer.requests if request[1] == 6] == [55, 22, 33]


async def test_a_command_that_comes_again_when_it_has_expired_keeps_its_first_result(
    peer: Any, tmp_path: Path, until: Any
) -> None:
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55))
        await told(made, until)
        made.utc = UTC + 10**6
        made.executor.submit(dim(55))
        await until(lambda: made.executor.counters.repeated)
        assert [event.data["status"] for event in await made.results()] == ["done"]


async def test_a_command_that_expires_while_the_disk_takes_its_intent_is_not_executed(
    peer: Any, tmp_path: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(peer, tmp_path) as made:
        begin = made.spool.begin_command

        async def slowly(*arguments: Any) -> bool:
            made.utc = UTC + 60_000
            return await begin(*arguments)

        monkeypatch.setattr(made.spool, "begin_command", slowly)
        made.executor.submit(dim(55))
        (event,) = await told(made, until)
    assert event["status"] == "expired"
    assert peer.holding == {}


async def test_an_expired_command_is_reported_and_not_executed(peer: Any, tmp_path: Path, until: Any) -> None:
    async with rig(peer, tmp_path) as made:
        made.utc = UTC + 10**6
        made.executor.submit(dim(55))
        (event,) = await told(made, until)
    assert event["status"] == "expired"
    assert peer.holding == {}


async def test_what_the_gate_refuses_is_reported_and_stays_refused(peer: Any, tmp_path: Path, until: Any) -> None:
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(101))
        made.executor.submit(dim(1, number=2, device="D5"))
        events = await told(made, until, 2)
    assert {event["status"] for event in events} == {"refused"}
    assert peer.holding == {}


async def test_a_device_that_does_not_answer_leaves_the_command_unknown(peer: Any, tmp_path: Path, until: Any) -> None:
    peer.silent = {1}
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55))
        (event,) = await told(made, until)
    assert event["status"] == "unknown"
    assert "no answer" in event["detail"]


async def interrupted(peer: Any, path: Path, until: Any, shown: int) -> dict[str, Any]:
    """What is reported of a command to set 55 that a crash cut off behind its intent, by what the lamp shows."""
    peer.holding[1] = {0: shown}
    async with Spool(path / "spool.db", 10**7) as spool:
        assert await spool.begin_command(dim(55).id, encode(dim(55)), UTC)
    async with rig(peer, path) as made:
        (event,) = await told(made, until)
        made.executor.submit(dim(55))
        made.executor.submit(dim(66, number=2))
        await told(made, until, 2)
        assert await made.spool.unfinished_commands() == []
    assert [request[3] for request in peer.requests if request[1] == 6] == [66]
    return event


async def test_after_a_crash_a_command_whose_effect_shows_is_done(peer: Any, tmp_path: Path, until: Any) -> None:
    event = await interrupted(peer, tmp_path, until, shown=55)
    assert (event["status"], event["readback"]) == ("done", 55)


async def test_after_a_crash_a_command_whose_effect_does_not_show_is_unknown_and_never_executed(
    peer: Any, tmp_path: Path, until: Any
) -> None:
    event = await interrupted(peer, tmp_path, until, shown=10)
    assert (event["status"], event["readback"]) == ("unknown", 10)


async def test_after_a_crash_a_command_to_what_is_no_more_configured_is_unknown_not_refused(
    peer: Any, tmp_path: Path, until: Any
) -> None:
    gone = dim(55, device="D5")
    async with Spool(tmp_path / "spool.db", 10**7) as spool:
        assert await spool.begin_command(gone.id, encode(gone), UTC)
    async with rig(peer, tmp_path) as made:
        (event,) = await told(made, until)
    assert event["status"] == "unknown"
    assert "no device D5" in event["detail"]


async def test_after_a_crash_a_device_that_stays_silent_leaves_the_command_unknown(
    peer: Any, tmp_path: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "RECOVERY_ATTEMPTS", 2)
    monkeypatch.setattr(commands, "RECOVERY_PAUSE_S", 0.01)
    async with Spool(tmp_path / "spool.db", 10**7) as spool:
        assert await spool.begin_command(dim(55).id, encode(dim(55)), UTC)
    peer.silent = {1}
    async with rig(peer, tmp_path) as made:
        (event,) = await told(made, until)
    assert event["status"] == "unknown"


async def test_the_intent_is_on_disk_before_the_write(peer: Any, tmp_path: Path, until: Any) -> None:
    peer.silent = {1}
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55))
        await until(lambda: [request for request in peer.requests if request[1] == 6])
        (record,) = await made.spool.unfinished_commands()
    assert decode(record.intent) == dim(55)


ONE, SOME = (Decimal(1), Decimal(1)), (Decimal("0.1"), Decimal("0.5"))
RELAY_ON = Requirement("D0", "relay", *ONE)


@pytest.mark.parametrize("whose", ["the command's", "the device's"])
async def test_what_must_hold_is_read_right_before_the_write_and_refuses_it_where_it_does_not(
    peer: Any, tmp_path: Path, until: Any, whose: str
) -> None:
    own = (RELAY_ON,) if whose == "the command's" else ()
    locks = (Interlock("dim_setpoint", None, (RELAY_ON,), 0),) if whose == "the device's" else ()
    async with rig(peer, tmp_path, locks=locks) as made:
        peer.coils[1] = {0: 0}
        made.executor.submit(dim(55, requires=own))
        (refused,) = await told(made, until)
        peer.coils[1][0] = 1
        made.executor.submit(dim(55, number=2, requires=own))
        _, done = await told(made, until, 2)
    assert (refused["status"], refused["detail"]) == ("refused", "relay of D0 is 0 and must be 1")
    assert done["status"] == "done"
    assert [request[3] for request in peer.requests if request[1] == 6] == [55]


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (
            Requirement("D9", "relay", Decimal(1), Decimal(1)),
            "relay of D9 is required, and this gateway does not have it",
        ),
        (
            Requirement("D0", "realy", Decimal(1), Decimal(1)),
            "realy of D0 is required, and this gateway does not have it",
        ),
        (
            Requirement("D0", "lamp_power", Decimal("0.1"), Decimal("0.5")),
            "lamp_power of D0 is 0.0 and must be 0.1 to 0.5",
        ),
    ],
)
async def test_what_cannot_be_looked_at_does_not_hold(
    peer: Any, tmp_path: Path, until: Any, need: Requirement, words: str
) -> None:
    async with rig(peer, tmp_path) as made:
        made.executor.submit(dim(55, requires=(need,)))
        (event,) = await told(made, until)
    assert (event["status"], event["detail"]) == ("refused", words)
    assert not [request for request in peer.requests if request[1] == 6]


async def test_a_device_that_does_not_answer_is_not_written_where_it_must_be_read_first(
    peer: Any, tmp_path: Path, until: Any
) -> None:
    async with rig(peer, tmp_path) as made:
        await until(lambda: made.bus.is_open)
        peer.deaf[1] = {1}
        made.executor.submit(dim(55, requires=(RELAY_ON,)))
        (event,) = await told(made, until)
    assert event["status"] == "refused"
    assert "relay of D0 is required, and cannot be read: " in event["detail"]
    assert not [request for request in peer.requests if request[1] == 6]


async def test_a_channel_that_must_rest_is_not_written_again_before(peer: Any, tmp_path: Path, until: Any) -> None:
    async with rig(peer, tmp_path, locks=(Interlock("dim_setpoint", None, (), 5000),)) as made:
        made.boottime = 10_000
        made.executor.submit(dim(55))
        await told(made, until)
        made.boottime = 12_000
        made.executor.submit(dim(22, number=2))
        _, refused = await told(made, until, 2)
        made.boottime = 15_000
        made.executor.submit(dim(33, number=3))
        *_, done = await told(made, until, 3)
    assert (refused["status"], done["status"]) == ("refused", "done")
    assert "rest for 3 s more" in refused["detail"]
    assert [request[3] for request in peer.requests if request[1] == 6] == [55, 33]


def test_a_result_that_quotes_a_device_is_one_that_a_server_can_keep() -> None:
    told = commands.result_event(
        command(),
        Result(Status.FAILED, "it said \0" + "x" * 300),
        Origin(GATEWAY, 1, 1, bytes(16), 1000, FREE),
        Now(0, UTC, FREE),
    )
    assert decode(encode(told)) == told
    assert str(told.data["detail"]).startswith("it said ?x")
