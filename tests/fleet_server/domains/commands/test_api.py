import json
from typing import Any
from uuid import UUID, uuid4


async def test_a_command_is_queued_and_answers_with_its_id(city: Any) -> None:
    answer = await city.send(value="40.0", expires_s=60)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["status"], body["value"], body["channel"], body["principal"]) == (
        "queued",
        "40.0",
        "dim_setpoint",
        "Li",
    )
    assert str(UUID(body["id"])) == body["id"]
    assert (await city.recent()).json()["items"] == [body]


async def test_a_number_in_json_is_the_number_typed(city: Any) -> None:
    assert (await city.send(value=40)).json()["value"] == "40"


async def test_what_a_command_requires_goes_with_it_and_is_shown(city: Any) -> None:
    answer = await city.send(value="40", requires=[{"channel": "relay", "low": 1, "high": "1"}])
    assert answer.status_code == 202
    wanted = [{"device": city.lamp, "channel": "relay", "low": "1", "high": "1"}]
    assert answer.json()["requires"] == wanted
    assert (await city.recent()).json()["items"][0]["requires"] == wanted
    audited = await city.sql("SELECT detail->'requires' FROM audit WHERE action = 'commands.send'")
    assert json.loads(audited) == [[city.lamp, "relay", "1", "1"]]


NOT_TO_BE_SENT: list[tuple[dict[str, object], int, str]] = [
    ({"value": "101"}, 422, "value"),
    ({"value": "0.5", "channel": "relay"}, 422, "value"),
    ({"value": "much"}, 422, "value"),
    ({"value": "NaN"}, 422, "value"),
    ({"channel": "lamp_power"}, 409, "channel"),
    ({"channel": "nothing"}, 404, ""),
    ({"channel": "NUL\0"}, 422, "channel"),
    ({"expires_s": 4}, 422, "expires_s"),
    ({"expires_s": 601}, 422, "expires_s"),
    ({"more": 1}, 422, "more"),
    ({"requires": [{"channel": "realy", "low": 1, "high": 1}]}, 404, ""),
    ({"requires": [{"channel": "relay", "low": 2, "high": 1}]}, 422, "requires"),
    ({"requires": [{"channel": "relay", "low": 1}]}, 422, "requires"),
    ({"requires": [{"channel": "relay", "low": 1, "high": 1}] * 17}, 422, "requires"),
    ({"requires": [{"device": "D9", "channel": "relay", "low": 1, "high": 1}]}, 404, ""),
]


async def test_what_cannot_be_sent_is_a_problem_that_names_the_field(city: Any) -> None:
    for changes, status, field in NOT_TO_BE_SENT:
        answer = await city.send(**changes)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), changes
        assert field in " ".join(answer.json().get("fields", {})), changes
    assert (await city.recent()).json()["items"] == []


async def test_a_viewer_reads_commands_and_gives_none(city: Any) -> None:
    await city.send()
    assert (await city.send("viewer")).status_code == 403
    assert len((await city.recent("viewer")).json()["items"]) == 1


async def test_outside_ones_scope_there_is_no_such_device(city: Any) -> None:
    assert (await city.send("elsewhere")).status_code == 404
    assert (await city.recent("elsewhere")).status_code == 404


async def test_nobody_gives_no_command(city: Any) -> None:
    assert (await city.send("nobody")).status_code == 401
    assert (await city.recent("nobody")).status_code == 401


async def test_the_list_is_read_page_by_page_newest_first(city: Any, clock: Any) -> None:
    for value in range(5):
        await city.send(value=str(value))
        clock.advance(seconds=value % 2)  # some of the same moment
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = (await city.recent(limit=2, after=after)).json()
        seen += [item["value"] for item in page["items"]]
        after = page["next"] or ""
        if not after:
            break
    assert seen == ["4", "3", "2", "1", "0"]


async def test_a_page_after_no_command_is_not_found(city: Any) -> None:
    for after in ("nonsense", str(uuid4())):
        assert (await city.recent(after=after)).status_code == 404
