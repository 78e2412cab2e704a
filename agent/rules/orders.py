"""A rule's write as a command: what the executor takes from the fleet as well."""

import secrets

from agent.commands import RULE
from protocols.edge.messages import Command
from protocols.rules import Rule, Write


def order(rule: Rule, write: Write, *, gateway: str, incarnation: int, now_utc_ms: int) -> Command:
    """Its id is random: a firing after a crash is another one, and what the crash interrupted is read back."""
    now = max(now_utc_ms, 0)  # a clock that starts in 1970 would be before it
    return Command(
        gateway=gateway,
        incarnation=incarnation,
        number=1,
        id=secrets.token_bytes(16),
        issued=now,
        expires=now + write.expires_ms,
        device=write.device,
        channel=write.channel,
        value=write.value,
        principal=f"{RULE}{rule.name}",
        requires=write.requires,
    )
