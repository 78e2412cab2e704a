from typing import Any

import pytest

from fleet_server.domains.telemetry.clearing import Fill, discard, fills
from fleet_server.ingest import commit
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import NotFound
from protocols.edge.messages import AckStatus


async def test_a_full_quarantine_takes_messages_again_once_a_person_made_room(
    hand: Any, gateway: Any, database_urls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hand.commit(gateway, gateway.birth())
    one, two = gateway.batch(power=[1.0], t0=1), gateway.batch(power=[1.0], t0=2)
    size = len(gateway.arrival(one).payload)
    monkeypatch.setattr(commit, "ROOM", size)
    assert await hand.commit(gateway, one, two) == {2: AckStatus.QUARANTINED, 3: AckStatus.SLOW}
    async with Database(database_urls.owner) as owner:
        async with owner.system() as connection:
            assert await fills(connection) == [Fill(gateway.code, "too-old", 1, size)]
            assert await discard(connection, gateway.code) == 1
            rows = await connection.fetch("SELECT principal, object, detail FROM audit")
            assert [tuple(row) for row in rows] == [("system:command-line", gateway.code, {"messages": 1})]
        assert await hand.commit(gateway, two) == {3: AckStatus.QUARANTINED}
        async with owner.system() as connection:
            with pytest.raises(NotFound):
                await discard(connection, "D0")
