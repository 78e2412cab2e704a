"""Whether a configuration on trial has proven itself. Pure."""

from dataclasses import dataclass

TRIAL_S = 60.0
LONGEST_S = 3600.0
MAX_NAMED = 5


@dataclass(frozen=True)
class Evidence:
    """`silent` are devices that began with this configuration and never answered under it; `crashed` the parts that
    failed in a way nobody foresaw; `unacknowledged` tells that the server, which was there before, is not any more."""

    silent: tuple[str, ...] = ()
    crashed: tuple[str, ...] = ()
    unacknowledged: bool = False


def objection(evidence: Evidence, *, over: bool, confirmed: bool) -> str:
    """Why the configuration must not stay; "" if nothing speaks against it. A device and the server have until the
    trial is over, and so has whoever was asked to confirm it; a crash decides at once."""
    if evidence.crashed:
        return f"failed unexpectedly: {_some(evidence.crashed)}"
    if not over:
        return ""
    if evidence.silent:
        return f"no answer from {_some(evidence.silent)}"
    if evidence.unacknowledged:
        return "the server was reached before, and acknowledged nothing since"
    if not confirmed:
        return "not confirmed"
    return ""


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
