import json
from typing import Any

from tests.fleet_server.domains.configuration.conftest import EDITED, RUNNING, TEXT

BECAME = "cd" * 32


async def test_who_edits_begins_with_what_the_gateway_runs(desk: Any) -> None:
    seen, _ = await desk.seen()
    assert (seen["text"], seen["standing"], seen["hash"]) == (TEXT, "local", RUNNING)


async def test_what_is_desired_waits_is_tried_and_is_in_step(desk: Any) -> None:
    made = await desk.desire()
    assert (made.status_code, made.json()["status"], made.json()["base"]) == (202, "waiting", RUNNING)
    number = made.json()["number"]
    await desk.result(number, "on-trial", lines="bus yard is new")
    seen, _ = await desk.seen()
    assert (seen["standing"], seen["desired"]["lines"]) == ("on-trial", "bus yard is new")
    assert (await desk.desire(TEXT)).status_code == 409
    await desk.result(number, "applied", hash=BECAME)
    assert (await desk.seen())[0]["standing"] == "changed"
    await desk.reports(BECAME)
    seen, _ = await desk.seen()
    assert (seen["standing"], seen["text"]) == ("in-step", EDITED)
    await desk.tells(EDITED, BECAME)
    history = (await desk.ask("GET", "/versions")).json()["items"]
    assert [(one["kind"], one["number"]) for one in history] == [("desired", number), ("reported", 1)]
    changes = (await desk.ask("GET", f"/versions/{number}")).json()["changes"]
    assert ["removed", 'name = "street"'] in changes
    assert ["added", 'name = "yard"'] in changes


async def test_who_did_not_see_the_last_version_is_told_so(desk: Any) -> None:
    _, tag = await desk.seen()
    assert (await desk.ask("PUT", json={"text": EDITED}, headers=tag)).status_code == 202
    late = await desk.ask("PUT", json={"text": TEXT}, headers=tag)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert (await desk.ask("PUT", json={"text": TEXT})).status_code == 409
    forced = await desk.ask("PUT", json={"text": TEXT, "force": True})
    assert (forced.status_code, forced.json()["base"]) == (202, None)
    history = (await desk.ask("GET", "/versions")).json()["items"]
    assert [one["status"] for one in history] == ["waiting", "superseded", "applied"]


async def test_a_change_at_the_gateway_makes_what_was_seen_old(desk: Any) -> None:
    _, tag = await desk.seen()
    await desk.reports(BECAME)
    assert (await desk.ask("PUT", json={"text": EDITED}, headers=tag)).status_code == 409


async def test_the_first_last_word_stands(desk: Any) -> None:
    number = (await desk.desire()).json()["number"]
    await desk.result(number, "refused", detail="file.toml:4: bus[0]", lines="file.toml:4: bus[0]")
    await desk.result(number, "applied", hash=BECAME)
    seen, _ = await desk.seen()
    assert (seen["standing"], seen["desired"]["detail"]) == ("refused", "file.toml:4: bus[0]")
    await desk.result(999, "applied")
    await desk.result(number, "nonsense")


async def test_an_earlier_version_comes_back_as_a_new_one(desk: Any) -> None:
    number = (await desk.desire()).json()["number"]
    await desk.result(number, "applied", hash=BECAME)
    await desk.reports(BECAME)
    _, tag = await desk.seen()
    made = await desk.ask("POST", "/versions/1/revert", headers=tag)
    assert (made.status_code, made.json()["reverts"]) == (202, 1)
    again = (await desk.ask("GET", f"/versions/{made.json()['number']}")).json()
    assert again["text"] == TEXT


async def test_what_no_gateway_could_read_is_refused_here(desk: Any) -> None:
    for text in ("[[bus", "", "x = "):
        answer = await desk.desire(text)
        assert answer.status_code == 422
    assert (await desk.desire(trial_s=1)).status_code == 422


async def test_only_who_may_write_within_the_scope_sees_and_changes_it(desk: Any) -> None:
    assert (await desk.ask("GET", who="viewer")).status_code == 403
    assert (await desk.ask("GET", who="elsewhere")).status_code == 404
    assert (await desk.ask("PUT", who="elsewhere", json={"text": TEXT, "force": True})).status_code == 404


async def test_a_gateway_that_is_away_checks_nothing_and_is_waited_for(desk: Any) -> None:
    await desk.reports(online=False)
    assert (await desk.ask("POST", "/check", json={"text": EDITED})).status_code == 409
    assert (await desk.desire()).status_code == 202
    assert (await desk.seen())[0]["standing"] == "offline"


async def test_every_change_and_every_result_is_in_the_audit_record(desk: Any) -> None:
    number = (await desk.desire()).json()["number"]
    await desk.result(number, "returned", detail="no answer from Meter")
    said = await desk.city.sql(
        "SELECT json_agg(action ORDER BY id) FROM audit WHERE object = $1 AND action LIKE 'configuration.%'",
        desk.city.gateway,
    )
    assert json.loads(said) == ["configuration.reported", "configuration.desire", "configuration.result"]


async def test_a_text_that_is_none_changes_nothing(desk: Any) -> None:
    for text in ("zz", "00", ""):
        await desk.city.result({"hash": RUNNING, "text": text}, kind="configuration-text")
    assert (await desk.seen())[0]["text"] == TEXT
