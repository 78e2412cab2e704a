from typing import Any

import pytest

PASSWORD = "correct horse battery"
PAGE = {"sec-fetch-site": "same-origin"}


async def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(city: Any, fleet: Any) -> None:
    await city.user("wang")
    async with fleet() as client:
        assert (await client.get("/api/v1/me")).status_code == 401
        answer = await client.post("/api/v1/session", json={"name": "wang", "password": PASSWORD}, headers=PAGE)
        assert (answer.status_code, answer.json()["name"]) == (201, "wang")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "; secure" not in cookie, "this console is served over http"
        assert (await client.get("/api/v1/me")).json()["kind"] == "user"
        assert (await client.delete("/api/v1/session", headers=PAGE)).status_code == 204
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_wrong_password_is_401_and_too_many_are_429(city: Any, fleet: Any) -> None:
    await city.user("wang")
    async with fleet() as client:
        statuses = []
        for _ in range(5):
            answer = await client.post("/api/v1/session", json={"name": "wang", "password": "wrong password"})
            statuses.append(answer.status_code)
        assert statuses == [401, 401, 401, 401, 429]
        assert int(answer.headers["retry-after"]) > 0


async def test_a_token_signs_requests_and_a_bad_one_is_not_mended_by_a_cookie(city: Any, fleet: Any) -> None:
    headers = await city.token(await city.user("wang"))
    async with fleet() as client:
        assert (await client.get("/api/v1/me", headers=headers)).json()["kind"] == "token"
        await client.post("/api/v1/session", json={"name": "wang", "password": PASSWORD}, headers=PAGE)
        for bad in ("Bearer hut_wrong", "Bearer ", "Basic d2FuZzp4"):
            assert (await client.get("/api/v1/me", headers={"authorization": bad})).status_code == 401


async def test_a_token_is_shown_once(city: Any, fleet: Any) -> None:
    await city.user("wang")
    async with fleet() as client:
        await client.post("/api/v1/session", json={"name": "wang", "password": PASSWORD}, headers=PAGE)
        wish = {"name": "script", "permissions": ["ledger:read"]}
        made = (await client.post("/api/v1/tokens", json=wish, headers=PAGE)).json()
        assert made["secret"].startswith("hut_")
        listed = await client.get("/api/v1/tokens")
        assert listed.json()["items"][0]["id"] == made["id"]
        assert made["secret"] not in listed.text
        assert (await client.delete(f"/api/v1/tokens/{made['id']}", headers=PAGE)).status_code == 204
        assert (await client.get("/api/v1/tokens")).json()["items"][0]["revoked_at"] is not None


async def test_users_are_managed_by_who_may_and_no_password_comes_back(city: Any, fleet: Any) -> None:
    viewer = await city.token(await city.user("viewer"))
    administrator = await city.token(await city.user("admin", "administrator"))
    new = {"name": "Li", "password": PASSWORD, "role": "operator", "scope": ["bj.110114"]}
    async with fleet() as client:
        assert (await client.post("/api/v1/users", json=new, headers=viewer)).status_code == 403
        answer = await client.post("/api/v1/users", json=new, headers=administrator)
        assert answer.status_code == 201
        assert PASSWORD not in answer.text
        user_id = answer.json()["id"]
        taken = await client.post("/api/v1/users", json=new, headers=administrator)
        assert (taken.status_code, taken.json()["fields"]) == (409, {"name": "taken"})
        changed = await client.patch(f"/api/v1/users/{user_id}", json={"status": "disabled"}, headers=administrator)
        assert changed.json()["status"] == "disabled"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 65},
        {"password": "short"},
        {"role": "king"},
        {"extra": 1},
        {"scope": ["gd"]},
        {"scope": []},
        {"scope": ["bj.999999"]},
    ],
)
async def test_a_user_who_cannot_be_is_refused_with_the_field(city: Any, fleet: Any, change: dict[str, Any]) -> None:
    headers = await city.token(await city.user("admin", "administrator"))
    new = {"name": "li", "password": PASSWORD, "role": "viewer", "scope": ["bj"]} | change
    async with fleet() as client:
        answer = await client.post("/api/v1/users", json=new, headers=headers)
        assert answer.status_code == 422
        assert next(iter(change)) in str(answer.json()["fields"])
        assert "short" not in answer.text.replace("shorter", "")


async def test_the_audit_trail_pages_back_in_time(city: Any, fleet: Any) -> None:
    headers = await city.token(await city.user("admin", "administrator"))
    for n in range(5):
        await city.user(f"user{n}")
    async with fleet() as client:
        first = (await client.get("/api/v1/audit?limit=4", headers=headers)).json()
        second = (await client.get(f"/api/v1/audit?limit=4&after={first['next']}", headers=headers)).json()
        ids = [row["id"] for row in first["items"] + second["items"]]
        assert ids == sorted(ids, reverse=True)
        assert (len(ids), second["next"]) == (7, None)
        assert first["items"][0]["detail"]["name"] == "user4"


async def test_the_audit_trail_is_not_for_an_administrator_of_a_part_of_the_city(city: Any, fleet: Any) -> None:
    local = await city.token(await city.user("local", "administrator", ["bj.110114"]))
    async with fleet() as client:
        for path in ("/api/v1/audit", "/audit"):
            answer = await client.get(path, headers=local)
            assert answer.status_code == 403
            assert "identity.create-user" not in answer.text


@pytest.mark.parametrize("scope", ["bj.a-b", "bj.<b>", "bj.110114 nowhere"])
async def test_a_scope_that_is_no_division_is_shown_beside_its_field(city: Any, fleet: Any, scope: str) -> None:
    headers = await city.browser(await city.user("admin", "administrator"))
    new = {"name": "li", "password": PASSWORD, "role": "viewer", "scope": scope}
    async with fleet() as client:
        answer = await client.post("/users", data=new, headers=headers)
        assert answer.status_code == 422
        assert 'class="wrong"' in answer.text
        assert (await client.post("/users", data=new | {"scope": "110114"}, headers=headers)).status_code == 303
        users = (await client.get("/api/v1/users", headers=headers)).json()["items"]
        assert {user["name"]: user["scope"] for user in users}["li"] == ["bj.110114"]


async def test_half_a_surrogate_pair_is_the_senders_mistake(city: Any, fleet: Any) -> None:
    headers = await city.browser(await city.user("admin", "administrator")) | {"content-type": "application/json"}
    body = b'{"name":"a","permissions":["\\ud800"]}'
    async with fleet() as client:
        assert (await client.post("/api/v1/tokens", content=body, headers=headers)).status_code == 422
