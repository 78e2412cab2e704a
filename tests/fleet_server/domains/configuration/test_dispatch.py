from typing import Any

from fleet_server.domains.configuration.dispatch import turn
from tests.fleet_server.domains.configuration.conftest import EDITED, RUNNING


async def test_it_goes_sealed_once_a_connection_and_then_less_and_less_often(desk: Any, clock: Any) -> None:
    number = (await desk.desire()).json()["number"]
    async with desk.city.open_ingest() as ingest:
        await turn(ingest, desk.publish)
        (sent,) = desk.opened()
        assert (sent.number, sent.text, sent.base, sent.dry) == (number, EDITED, bytes.fromhex(RUNNING), False)
        assert (sent.incarnation, sent.expires, sent.principal) == (desk.city.incarnation, None, "user:op")
        for _ in range(5):
            clock.advance(seconds=3)
            await turn(ingest, desk.publish)
        assert len(desk.taken) == 1
        await desk.reports(connection=2)
        clock.advance(seconds=3)
        await turn(ingest, desk.publish)
        assert len(desk.taken) == 2
        await desk.result(number, "refused")
        clock.advance(seconds=3600)
        await turn(ingest, desk.publish)
    assert len(desk.taken) == 2


async def test_a_gateway_that_comes_back_gets_what_waited(desk: Any, clock: Any) -> None:
    await desk.reports(online=False)
    await desk.desire()
    async with desk.city.open_ingest() as ingest:
        await turn(ingest, desk.publish)
        assert desk.taken == []
        await desk.reports()
        clock.advance(seconds=3)
        await turn(ingest, desk.publish)
    assert len(desk.taken) == 1


async def test_what_the_broker_did_not_take_goes_again(desk: Any, clock: Any) -> None:
    await desk.desire()
    desk.up = False
    async with desk.city.open_ingest() as ingest:
        await turn(ingest, desk.publish)
        assert (await desk.seen())[0]["desired"]["detail"] == "the broker does not answer"
        desk.up = True
        clock.advance(seconds=3)
        await turn(ingest, desk.publish)
    assert len(desk.taken) == 1


async def test_a_check_is_a_dry_run_that_ends(desk: Any, clock: Any) -> None:
    await desk.ask("POST", "/check", json={"text": EDITED})
    async with desk.city.open_ingest() as ingest:
        await turn(ingest, desk.publish)
        (sent,) = desk.opened()
        assert sent.dry
        assert sent.expires is not None
        clock.advance(seconds=61)
        await turn(ingest, desk.publish)
    assert (await desk.seen())[0]["check"]["status"] == "expired"
