import hashlib
from typing import Any

from fleet_server.domains import ALL
from fleet_server.kernel.events import emit
from fleet_server.kernel.relay import Relay, parked
from protocols.citycode import mint
from protocols.edge.birth import Description, DeviceDescription, encode_description

LAMP = mint("D", "1101149001000001").text


async def store_birth(city: Any, connect: Any, url: str, gateway: str, described: bytes) -> None:
    """As ingest does, with its role."""
    digest = hashlib.sha256(described).digest()
    async with connect(url) as connection, connection.transaction():
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=str)
        await connection.execute("INSERT INTO birth (hash, description) VALUES ($1, $2)", digest, described)
        await connection.execute(
            "INSERT INTO outbox (type, key, payload) VALUES ('birth.stored', $1, $2)",
            gateway,
            f'{{"gateway": "{gateway}", "hash": "{digest.hex()}"}}',
        )


async def test_a_birth_that_ingest_stored_becomes_devices(city: Any, connect: Any, database_urls: Any) -> None:
    code = (await city.gateway()).gateway.code
    described = encode_description(Description((DeviceDescription(LAMP, "lamp_controller", "Lamp", "line"),), ()))
    await store_birth(city, connect, database_urls.ingest, code, described)
    await Relay(ALL).run(city.context)
    assert (await city.ledger.device(city.root, LAMP)).gateway == code


async def test_a_birth_that_cannot_be_read_is_parked_for_people_to_see(
    city: Any, clock: Any, connect: Any, database_urls: Any
) -> None:
    code = (await city.gateway()).gateway.code
    await store_birth(city, connect, database_urls.ingest, code, b"not CBOR of a description")
    for _ in range(8):
        await Relay(ALL).run(city.context)
        clock.advance(minutes=10)
    async with city.context.database.system() as connection:
        (row,) = await parked(connection)
    assert row["consumer"] == "ledger.birth.stored.on_birth_stored"
    assert "RemoteProtocolError" in row["error"]


async def test_an_event_is_ordered_by_the_gateway_it_names(city: Any) -> None:
    async with city.context.database.system() as connection:
        for payload, key in [({"gateway": "D1"}, None), ({}, None), ({"gateway": "D1"}, "other")]:
            await emit(connection, "test", payload, key=key)
        assert [row["key"] for row in await connection.fetch("SELECT key FROM outbox ORDER BY id")] == [
            "D1",
            "",
            "other",
        ]
