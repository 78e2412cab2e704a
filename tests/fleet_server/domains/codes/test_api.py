import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from fleet_server.kernel.principal import PERMISSIONS, Principal
from protocols import citycode

LAMP = "B11011401180001239"
GATEWAY = "D1101149001000077A"
PEOPLE = {
    "minter": Principal("user:mi", "Li", "user", frozenset(PERMISSIONS), ("bj.110114.110114011",)),
    "viewer": Principal("user:vi", "Wang", "user", frozenset({"ledger:read"}), ("bj",)),
    "elsewhere": Principal("user:el", "Zhao", "user", frozenset({"ledger:read"}), ("bj.110105",)),
}


class People:
    async def by_session(self, _secret: str) -> Principal | None:
        return None

    async def by_token(self, secret: str) -> Principal | None:
        return PEOPLE.get(secret)


@pytest.fixture
async def client(fleet: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with fleet() as opened:
        vars(opened.context.ports)["authenticator"] = People()
        yield opened


def auth(who: str) -> dict[str, str]:
    return {"authorization": f"Bearer {who}"}


async def mint(client: httpx.AsyncClient, who: str = "minter", **changes: str) -> httpx.Response:
    body = {"kind": "B", "division": "110114", "class": "0118", "purpose": "Pole 1"} | changes
    return await client.post("/api/v1/codes", json=body, headers=auth(who))


async def resolve(client: httpx.AsyncClient, text: str, who: str = "viewer") -> Any:
    return await client.get(f"/api/v1/codes/{text}", headers=auth(who))


async def test_minted_codes_count_up_by_kind_division_and_class(client: httpx.AsyncClient) -> None:
    first = (await mint(client)).json()
    assert citycode.parse(first["code"]).body == "1101140118000001"
    assert (first["kind_name"], first["class"], first["minted"]["purpose"]) == ("component", "0118", "Pole 1")
    second = (await mint(client)).json()
    assert citycode.parse(second["code"]).body == "1101140118000002"
    for changes in ({"kind": "L"}, {"class": "0117"}, {"kind": "D", "class": "9001"}):
        assert (await mint(client, **changes)).json()["body"].endswith("000001")
    assert (await resolve(client, first["code"])).json()["minted"] == first["minted"]


async def test_many_that_mint_at_once_get_different_codes(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(mint(client) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {201}
    bodies = sorted(answer.json()["body"] for answer in answers)
    assert bodies == [f"1101140118{serial:06d}" for serial in range(1, 41)]


async def test_a_code_that_the_ledger_has_from_elsewhere_is_passed_over(
    client: httpx.AsyncClient, database_urls: Any
) -> None:
    taken = citycode.mint("D", "1101149001000002").text
    owner = await asyncpg.connect(database_urls.owner)
    # Outside the minter's scope: it must not be given out all the same.
    await owner.execute("INSERT INTO gateway VALUES ($1, 'Other', 'bj.110105', 'in-service', now())", taken)
    await owner.close()
    bodies = [(await mint(client, kind="D", **{"class": "9001"})).json()["body"] for _ in range(2)]
    assert [body[-6:] for body in bodies] == ["000001", "000003"]


async def test_minting_is_audited_and_used_up_serials_are_a_conflict(
    client: httpx.AsyncClient, database_urls: Any
) -> None:
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute("INSERT INTO code_serial VALUES ('B', '110114', '0118', 999998)")
    last = (await mint(client)).json()
    assert last["body"].endswith("999999")
    assert (await mint(client)).status_code == 409
    rows = await owner.fetch("SELECT principal, object, detail FROM audit WHERE action = 'codes.mint'")
    await owner.close()
    assert [(row["principal"], row["object"]) for row in rows] == [("user:mi", last["code"])]


async def test_minting_needs_the_permission_and_the_district(client: httpx.AsyncClient) -> None:
    assert (await mint(client, "viewer")).status_code == 403
    assert (await mint(client, "nobody")).status_code == 401
    assert (await mint(client, division="110105")).status_code == 403
    assert (await mint(client, division="110103")).status_code == 422
    assert (await mint(client, kind="U")).json()["fields"].keys() == {"kind"}


async def test_a_code_is_explained_however_it_is_spelled(client: httpx.AsyncClient) -> None:
    for text in (LAMP, LAMP.lower(), "b-110114-0118-000123-9", "B 110114 0118 000123 9"):
        body = (await resolve(client, text)).json()
        assert body["code"] == LAMP
        assert body["binary"] == "0803e97b2994d1fb"
        assert body["urn"] == f"urn:dev:org:32473-{LAMP}"
        assert body["division"] == {
            "code": "110114", "name": "北京市昌平区", "retired": False, "as_of": "2023-06-30"
        }  # fmt: skip
        assert body["ledger"] is None
        assert body["minted"] is None


async def test_a_code_the_ledger_knows_is_told_to_those_who_may_see_it(
    client: httpx.AsyncClient, database_urls: Any
) -> None:
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute(
        "INSERT INTO gateway VALUES ($1, 'Block 1', 'bj.110114.110114011', 'in-service', now())", GATEWAY
    )
    await owner.close()
    known = (await resolve(client, GATEWAY)).json()["ledger"]
    assert (known["kind"], known["name"], known["page"]) == ("gateway", "Block 1", f"/gateways/{GATEWAY}")
    assert (await resolve(client, GATEWAY, "elsewhere")).json()["ledger"] is None


async def test_what_a_code_was_minted_for_is_told_to_who_has_a_part_in_its_district(client: httpx.AsyncClient) -> None:
    code = (await mint(client)).json()["code"]
    assert (await resolve(client, code, "viewer")).json()["minted"]["purpose"] == "Pole 1"
    assert (await resolve(client, code, "minter")).json()["minted"]["purpose"] == "Pole 1"
    assert (await resolve(client, code, "elsewhere")).json()["minted"] is None


async def test_a_wrong_code_is_a_problem_that_says_why(client: httpx.AsyncClient) -> None:
    answer = await resolve(client, "B11011401180001293")
    assert answer.status_code == 422
    assert "two neighbours exchanged" in answer.json()["detail"]
    for text in ("x", "B%00", "%F0%9F%92%A1", "B" * 200):
        assert (await resolve(client, text)).status_code == 422
    assert (await resolve(client, LAMP, "nobody")).status_code == 401
