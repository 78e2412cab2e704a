"""A configuration's life on its way to a gateway: what follows what, when it is sent, how it stands. Pure."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

from fleet_server.kernel.errors import Invalid
from fleet_server.kernel.ports import GatewayNow
from protocols.edge.desired import LONGEST_TRIAL_MS, MAX_TEXT

Kind: TypeAlias = Literal["desired", "check", "reported"]
Status: TypeAlias = Literal[
    "waiting", "sent", "on-trial", "applied", "refused", "conflict", "returned", "expired", "checked", "superseded"
]
Standing: TypeAlias = Literal[
    "local", "in-step", "changed", "offline", "sending", "on-trial", "refused", "conflict", "returned"
]

SHORTEST_TRIAL_S, LONGEST_TRIAL_S, TRIAL_S = 5, LONGEST_TRIAL_MS // 1000, 60
CHECK_FOR = timedelta(seconds=60)
LOOK = timedelta(seconds=3)  # how soon a gateway that comes back is noticed
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=20), timedelta(minutes=10)  # between two sendings on one connection
GRACE = timedelta(minutes=1)  # for the last word on a trial
KEPT = 200  # versions of a gateway

OPEN: tuple[Status, ...] = ("waiting", "sent", "on-trial")
_RESULTS: tuple[Status, ...] = ("applied", "refused", "conflict", "returned", "expired", "checked")
# What was given up here may have been acted upon there: then the gateway's word holds.
NEXT: Mapping[tuple[Status, str], Status] = {
    **{(before, "on-trial"): "on-trial" for before in ("waiting", "sent", "superseded", "expired")},
    **{(before, result): result for before in (*OPEN, "superseded", "expired") for result in _RESULTS},
}


@dataclass(frozen=True)
class Version:
    """`base` and `running` are hashes of contents as the gateway names them: of the one it was written against (None:
    it is to replace any), and of the one it became ("": not told). `lines` are what the gateway says it changes."""

    gateway: str
    number: int
    kind: Kind
    text: str
    principal: str
    principal_name: str
    created_at: datetime
    status: Status
    base: str | None = None
    expires_at: datetime | None = None
    trial_s: int = TRIAL_S
    reverts: int | None = None
    detail: str = ""
    lines: str = ""
    running: str = ""
    sends: int = 0
    sent_on: int | None = None  # connection
    sent_at: datetime | None = None
    next_at: datetime | None = None
    finished_at: datetime | None = None

    def is_tried(self, now: datetime) -> bool:
        """Whether the gateway may be trying it now. One that never comes back must not bar the way for ever."""
        if self.status != "on-trial" or self.sent_at is None:
            return False
        return now < self.sent_at + timedelta(seconds=self.trial_s) + GRACE


class Step(NamedTuple):
    send: bool
    expire: bool
    next_at: datetime | None


def step(version: Version, gateway: GatewayNow | None, now: datetime) -> Step:
    """For one that waits or was sent. It goes once for each connection of the gateway, and then less and less often."""
    if version.expires_at is not None and now >= version.expires_at:
        return Step(False, True, None)
    if gateway is None or not gateway.online or gateway.incarnation is None:
        return Step(False, False, now + LOOK)
    if version.sent_at is None or version.sent_on != gateway.connection:
        return Step(True, False, now + LOOK)
    wait = min(FIRST_WAIT * 2 ** min(version.sends - 1, 10), LONGEST_WAIT)
    return Step(now >= version.sent_at + wait, False, now + LOOK)


def standing(desired: Version | None, present: GatewayNow | None) -> Standing:
    """How the gateway stands to what was last desired of it."""
    if desired is None:
        return "local"
    match desired.status:
        case "waiting" | "sent":
            return "sending" if present is not None and present.online else "offline"
        case "on-trial" | "refused" | "conflict" | "returned":
            return desired.status
    running = present.configuration.hash if present is not None and present.configuration else ""
    return "in-step" if desired.running == running else "changed"


def tag(last: int, running: str) -> str:
    """What an editor saw: it holds until somebody desires something else, or the gateway runs something else."""
    return f'"{last}-{running[:16] or "unknown"}"'


def check_text(text: str) -> str:
    """The text as a gateway reads it. Invalid where no gateway could read it."""
    text = text.replace("\r\n", "\n")  # browsers send the lines of a form so
    try:
        size = len(text.encode())
        tomllib.loads(text)
    except UnicodeEncodeError:
        raise _wrong("text that UTF-8 can write") from None
    except (ValueError, RecursionError) as error:  # the latter of hundreds of brackets
        raise Invalid(f"This is not TOML: {error}", fields={"text": str(error)}) from None
    if size > MAX_TEXT or not text.strip():
        raise _wrong(f"a text of 1 to {MAX_TEXT} bytes")
    return text


def check_trial(trial_s: int) -> int:
    if not SHORTEST_TRIAL_S <= trial_s <= LONGEST_TRIAL_S:
        between = f"{SHORTEST_TRIAL_S} to {LONGEST_TRIAL_S} seconds"
        raise Invalid(f"A trial takes {between}.", fields={"trial_s": between})
    return trial_s


def _wrong(expected: str) -> Invalid:
    return Invalid(f"A configuration is {expected}.", fields={"text": expected})
