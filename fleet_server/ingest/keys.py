"""Gateways' keys, remembered for some seconds so that a message costs no query."""

from collections import OrderedDict
from dataclasses import dataclass

from fleet_server.kernel.ports import GatewayKeys

TTL_S = 10.0  # how long a retired gateway's messages may still be taken
RECHECK_S = 1.0  # how soon a seal that does not open may ask again whether the key was replaced
MOST = 20_000  # gateways, those that do not exist included: anybody may invent names


@dataclass(frozen=True)
class _Entry:
    keys: dict[bytes, bytes]
    read_at: float


class KeyCache:
    """`now` is monotonic seconds."""

    def __init__(self, source: GatewayKeys) -> None:
        self._source = source
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def keys(self, gateway: str, now: float, *, doubtful: bool = False) -> dict[bytes, bytes]:
        """The keys by id, newest first; {} if the gateway is not enrolled. `doubtful`: those known opened nothing."""
        entry = self._entries.get(gateway)
        if entry is None or now - entry.read_at > (RECHECK_S if doubtful else TTL_S):
            entry = _Entry(await self._source.keys(gateway), now)
            self._entries[gateway] = entry
            self._entries.move_to_end(gateway)
            if len(self._entries) > MOST:
                self._entries.popitem(last=False)
        return entry.keys

    def is_fresh(self, gateway: str, now: float) -> bool:
        """Whether asking again, even doubtful, would give the same entry."""
        entry = self._entries.get(gateway)
        return entry is not None and now - entry.read_at <= RECHECK_S
