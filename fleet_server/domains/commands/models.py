"""A command's life: what may be issued, what comes after what, when it is sent again. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from fleet_server.kernel.errors import Conflict, Invalid, NotFound
from fleet_server.kernel.ports import ChannelNow, CommandStatus, CommandView
from protocols.edge.requirement import Requirement

SHORTEST_S, LONGEST_S = 5, 600  # how long a command may wait to be executed
GRACE = timedelta(seconds=15)  # for the result of what was executed in the last moment
FIRST_WAIT = timedelta(seconds=3)
MAX_SENDS = 8  # at 0, 3, 9, 21, 45, 93, 189, 381 s
MAX_OPEN = 64  # of one gateway, settled ones not counted
UNSENT_WAIT = timedelta(seconds=1)
MAX_DIGITS = 18


class Trigger(StrEnum):
    SENT = "sent"
    UNSENT = "unsent"  # the broker did not take what we had noted as sent
    OVERDUE = "overdue"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


RESULTS: Mapping[Trigger, CommandStatus] = {
    Trigger.DONE: "done",
    Trigger.FAILED: "failed",
    Trigger.REFUSED: "refused",
    Trigger.EXPIRED: "expired",
    Trigger.UNKNOWN: "unknown",
}
# What was never sent cannot have been executed: it has expired. What was sent may have been, and the gateway, cut off
# since, may still say so: "unknown" is our not knowing, and a result that comes late replaces it.
_UNSETTLED: tuple[CommandStatus, ...] = ("queued", "sent", "expired", "unknown")
_OURS: Mapping[tuple[CommandStatus, Trigger], CommandStatus] = {
    ("queued", Trigger.SENT): "sent",
    ("sent", Trigger.SENT): "sent",
    ("sent", Trigger.UNSENT): "queued",
    ("queued", Trigger.OVERDUE): "expired",
    ("sent", Trigger.OVERDUE): "unknown",
}
NEXT: Mapping[tuple[CommandStatus, Trigger], CommandStatus] = {
    **_OURS,
    **{(status, trigger): result for status in _UNSETTLED for trigger, result in RESULTS.items()},
}


@dataclass(frozen=True)
class Command:
    """`principal` is an id, `principal_name` what people call them. `next_at` None: settled."""

    id: UUID
    gateway: str
    incarnation: int
    number: int
    device: str
    channel: str
    value: Decimal
    principal: str
    principal_name: str
    issued_at: datetime
    expires_at: datetime
    status: CommandStatus = "queued"
    detail: str = ""
    readback: Decimal | None = None
    sends: int = 0
    next_at: datetime | None = None
    finished_at: datetime | None = None
    requires: tuple[Requirement, ...] = ()

    @property
    def view(self) -> CommandView:
        return CommandView(
            id=self.id,
            device=self.device,
            channel=self.channel,
            value=self.value,
            status=self.status,
            detail=self.detail,
            readback=self.readback,
            principal=self.principal_name,
            issued_at=self.issued_at,
            expires_at=self.expires_at,
            finished_at=self.finished_at,
            requires=self.requires,
        )


class Step(NamedTuple):
    """What to do with a command that is due, and when to look at it again; None and None: nothing, ever."""

    trigger: Trigger | None
    next_at: datetime | None


def step(command: Command, now: datetime) -> Step:
    if now < command.expires_at:
        if command.sends >= MAX_SENDS:
            return Step(None, command.expires_at)
        return Step(Trigger.SENT, min(now + FIRST_WAIT * 2**command.sends, command.expires_at))
    if command.status == "sent" and now < command.expires_at + GRACE:
        return Step(None, command.expires_at + GRACE)
    return Step(Trigger.OVERDUE, None)


def check_expiry(expires_s: int) -> timedelta:
    if not SHORTEST_S <= expires_s <= LONGEST_S:
        between = f"{SHORTEST_S} to {LONGEST_S} seconds"
        raise Invalid(f"A command waits {between}.", fields={"expires_s": between})
    return timedelta(seconds=expires_s)


def check_value(channel: ChannelNow, value: Decimal) -> Decimal:
    """Conflict for a channel that cannot be written, Invalid for a value it cannot have. The gateway checks again."""
    if not channel.writable:
        raise Conflict(f"Channel {channel.name} cannot be written.", fields={"channel": "cannot be written"})
    if not is_plain(value):
        raise _wrong(f"a number of at most {MAX_DIGITS} digits")
    if channel.states and value not in {Decimal(state) for state in channel.states}:
        raise _wrong(f"one of {', '.join(map(str, sorted(channel.states)))}")
    if channel.limits is not None:
        # A limit stands for the number that was typed: 0.1, not the binary fraction next to it.
        low, high = (Decimal(repr(limit)) for limit in channel.limits)
        if not low <= value <= high:
            raise _wrong(f"from {low.normalize():f} to {high.normalize():f} {channel.unit}".rstrip())
    # A scale of 0 may be a float's: then every step is allowed.
    if channel.scale and (scaled := value.scaleb(-channel.scale)) != scaled.to_integral_value():
        raise _wrong(f"a multiple of {Decimal(1).scaleb(channel.scale):f}")
    return value


def check_requirement(channel: ChannelNow | None, need: Requirement) -> None:
    """`channel` is the one it names, if there is one. What it shows when the time comes, the gateway reads."""
    if channel is None:
        raise NotFound(f"Device {need.device[:64]} has no channel {need.channel[:64]}.")
    if not (is_plain(need.low) and is_plain(need.high) and need.low <= need.high):
        expected = f"low and high numbers of at most {MAX_DIGITS} digits, low not above high"
        raise Invalid(f"A requirement has {expected}.", fields={"requires": expected})


def is_plain(value: Decimal) -> bool:
    """Whether the wire can carry it: a mantissa of 18 digits, an exponent of at most 18 either way."""
    _, digits, exponent = value.as_tuple()
    return isinstance(exponent, int) and abs(exponent) <= MAX_DIGITS and len(digits) <= MAX_DIGITS


def _wrong(expected: str) -> Invalid:
    return Invalid(f"The value must be {expected}.", fields={"value": expected})
