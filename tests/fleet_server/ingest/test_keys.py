from dataclasses import dataclass, field

import pytest

from fleet_server.ingest.keys import TTL_S, KeyCache


@dataclass
class Source:
    known: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    asked: int = 0

    async def keys(self, gateway: str) -> dict[bytes, bytes]:
        self.asked += 1
        return self.known.get(gateway, {})


async def test_keys_are_asked_for_once_within_their_time() -> None:
    source = Source({"D1": {b"1": b"k"}})
    cache = KeyCache(source)
    for now in (0.0, 1.0, TTL_S):
        assert await cache.keys("D1", now) == {b"1": b"k"}
    assert source.asked == 1
    await cache.keys("D1", TTL_S + 0.1)
    assert source.asked == 2


async def test_a_forger_cannot_make_us_ask_more_than_once_a_second() -> None:
    source = Source()
    cache = KeyCache(source)
    for step in range(100):
        await cache.keys("D1", step / 100, doubtful=True)
    assert source.asked == 1
    assert cache.is_fresh("D1", 0.5)
    assert not cache.is_fresh("D1", 2.0)


async def test_invented_gateways_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet_server.ingest.keys.MOST", 3)
    source = Source()
    cache = KeyCache(source)
    for name in "ABCDE":
        await cache.keys(name, 0.0)
    await cache.keys("E", 0.0)
    assert source.asked == 5
    await cache.keys("A", 0.0)
    assert source.asked == 6
