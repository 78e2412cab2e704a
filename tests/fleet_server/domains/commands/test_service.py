from typing import Any
from uuid import UUID, uuid4

from fleet_server.domains.commands.models import MAX_OPEN
from fleet_server.kernel.errors import Conflict, TooMany


async def id_of(city: Any, **changes: Any) -> str:
    return UUID((await city.send(**changes)).json()["id"]).hex


async def test_a_command_its_number_and_its_audit_row_are_one_transaction(city: Any) -> None:
    first, second = await id_of(city), await id_of(city)
    assert await city.sql("SELECT array_agg(number ORDER BY number) FROM command") == [1, 2]
    rows = await city.sql(
        "SELECT json_agg(json_build_array(principal, action, object, detail->>'channel') ORDER BY id) FROM audit "
        "WHERE action = 'commands.send'"
    )
    assert rows.count('"user:op"') == 2
    assert city.lamp in rows
    assert first != second
    await city.sql("REVOKE INSERT (principal, principal_name, action, object, detail) ON audit FROM hutong_web")
    assert (await city.send()).status_code == 500
    assert await city.sql("SELECT max(number) FROM command") == 2
    assert await city.sql("SELECT last FROM command_number") == 2


async def test_a_command_is_bound_to_the_gateways_present_incarnation(city: Any) -> None:
    await city.send()
    assert await city.sql("SELECT incarnation FROM command") == city.incarnation


async def test_a_gateway_never_heard_of_gets_no_command(city: Any) -> None:
    await city.sql("DELETE FROM gateway_state")
    answer = await city.send()
    assert answer.status_code == Conflict.status
    assert "not been heard of" in answer.json()["detail"]


async def test_only_what_is_in_service_is_written_to(city: Any) -> None:
    for status in ("planned", "out-of-service", "retired"):
        await city.sql("UPDATE device SET status = $1", status)
        answer = await city.send()
        assert answer.status_code == Conflict.status
        assert status in answer.json()["detail"]


async def test_commands_that_wait_for_one_gateway_have_an_end(city: Any) -> None:
    await city.send()
    await city.sql(
        """INSERT INTO command (id, gateway, incarnation, number, device, channel, value, principal, principal_name,
                                issued_at, expires_at, next_at)
           SELECT gen_random_uuid(), gateway, incarnation, number + n, device, channel, value, principal,
                  principal_name, issued_at, expires_at, next_at FROM command, generate_series(1, $1) n""",
        MAX_OPEN - 1,
    )
    await city.sql("UPDATE command_number SET last = 100")
    assert (await city.send()).status_code == TooMany.status
    await city.sql("UPDATE command SET next_at = NULL WHERE number = 1")
    assert (await city.send()).status_code == 202


async def test_a_result_is_shown_with_its_detail_and_what_was_read_back(city: Any) -> None:
    for status in ("done", "failed", "refused", "expired", "unknown"):
        command = await id_of(city)
        await city.result({"id": command, "status": status, "detail": "as told", "readback": "40.5"})
        shown = await city.status()
        assert (shown["status"], shown["detail"], shown["readback"]) == (status, "as told", "40.5")
        assert shown["finished_at"] is not None
    assert await city.sql("SELECT count(*) FROM audit WHERE action = 'commands.result'") == 5


async def test_a_result_told_twice_or_against_an_earlier_one_changes_nothing(city: Any) -> None:
    command = await id_of(city)
    await city.result({"id": command, "status": "done", "detail": "", "readback": 40})
    first = await city.status()
    await city.result({"id": command, "status": "done", "detail": "again"})
    await city.result({"id": command, "status": "failed", "detail": "no"})
    assert await city.status() == first
    assert await city.sql("SELECT count(*) FROM audit WHERE action = 'commands.result'") == 1


async def test_another_gateway_settles_nothing(city: Any) -> None:
    command = await id_of(city)
    await city.result({"id": command, "status": "done"}, gateway="D11011490010000788")
    assert (await city.status())["status"] == "queued"


NONSENSE: list[dict[str, object]] = [
    {},
    {"id": "no id", "status": "done"},
    {"id": uuid4().hex, "status": "done"},
    {"status": "done"},
    {"id": 7, "status": "done"},
    {"id": uuid4().hex, "status": "sent"},
    {"id": uuid4().hex, "status": ["done"]},
]


async def test_a_result_that_says_nothing_true_is_left_and_blocks_no_other(city: Any) -> None:
    command = await id_of(city)
    for data in NONSENSE:
        await city.result(data)
    await city.result({"id": command, "status": "done"})
    assert (await city.status())["status"] == "done"


async def test_a_readback_that_is_no_number_is_left_out(city: Any) -> None:
    told: tuple[object, ...] = (None, True, "nonsense", "NaN", "1E+9999", [1], {})
    for readback in told:
        command = await id_of(city)
        await city.result({"id": command, "status": "done", "detail": 5, "readback": readback})
        shown = await city.status()
        assert (shown["status"], shown["detail"], shown["readback"]) == ("done", "5", None)


async def test_another_event_of_the_gateway_is_none_of_ours(city: Any) -> None:
    command = await id_of(city)
    await city.result({"id": command, "status": "done"}, kind="device-back")
    assert (await city.status())["status"] == "queued"
