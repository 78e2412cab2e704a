"""How a module that misbehaves is brought back: the mildest cure first, the next one while it does not help. Pure."""

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import NamedTuple

PAUSE_S = 1.0
LONGEST_PAUSE_S = 600.0  # networks lock out modules that register again and again


class Cause(StrEnum):
    SILENT = "does not answer"
    REFUSES = "refuses what it must take"
    UNREGISTERED = "is not let into the network"
    MUTE = "sends nothing"
    FRUITLESS = "opens no connection"  # its fault, or that of a peer that is not there


class Step(IntEnum):
    """In the order of what they cost."""

    PROBE = 1  # AT, after a silence
    ESCAPE = 2  # out of a prompt or of data mode, on a port that was opened again
    RADIO = 3  # AT+CFUN=0, AT+CFUN=1
    REBOOT = 4  # by command
    POWER = 5  # by the hook that the configuration names


LADDERS: Mapping[Cause, Sequence[Step]] = {
    # A module that does not answer may still hear, so the reboot command is worth a try; CFUN is not.
    Cause.SILENT: (Step.PROBE, Step.ESCAPE, Step.REBOOT, Step.POWER),
    Cause.REFUSES: (Step.RADIO, Step.REBOOT, Step.POWER),
    Cause.UNREGISTERED: (Step.RADIO, Step.REBOOT, Step.POWER),
    Cause.MUTE: (Step.RADIO, Step.REBOOT, Step.POWER),
    # A broker that is away is no reason to take the module's power.
    Cause.FRUITLESS: (Step.RADIO,),
}


class Cure(NamedTuple):
    step: Step
    pause_s: float  # before it


class Ladder:
    """Climbs until proved() says that the module works; at the top it stays, ever more rarely."""

    def __init__(self) -> None:
        self._last: Step | None = None
        self._rounds = 0

    def climb(self, cause: Cause) -> Cure:
        higher = [step for step in LADDERS[cause] if self._last is None or step > self._last]
        if higher:
            self._last = higher[0]
            return Cure(higher[0], 0.0)
        top = LADDERS[cause][-1]
        if top is not Step.POWER:
            return Cure(top, 0.0)
        self._last = top
        pause = min(PAUSE_S * 2.0**self._rounds, LONGEST_PAUSE_S)
        self._rounds = min(self._rounds + 1, 16)
        return Cure(self._last, pause)

    def proved(self) -> None:
        self._last = None
        self._rounds = 0
