from typing import Any

from fleet_server.domains.identity.models import Role
from protocols.citycode import mint

POLE = mint("B", "1101140118000123").text


async def test_a_device_is_listed_read_and_changed(city: Any, fleet: Any) -> None:
    gateway = await city.gateway()
    code = await city.device(gateway, 1)
    await city.device(await city.gateway(78), 2)
    headers = await city.token(await city.user("li", Role.OPERATOR, ["bj.110114"]))
    async with fleet() as client:
        listed = await client.get(f"/api/v1/devices?gateway={gateway.gateway.code}", headers=headers)
        assert [device["code"] for device in listed.json()["items"]] == [code]
        change = {"name": "Gate lamp", "status": "out-of-service", "mount": POLE.lower(), "division": "110114001"}
        changed = await client.patch(f"/api/v1/devices/{code}", json=change, headers=headers)
        assert changed.status_code == 200
        device = (await client.get(f"/api/v1/devices/{code}", headers=headers)).json()
        assert device == changed.json()
        assert (device["name"], device["status"], device["mount"]) == ("Gate lamp", "out-of-service", POLE)
        assert device["division"] == "bj.110114.110114001"


async def test_a_cell_is_text_because_a_browser_cannot_hold_its_number(city: Any, fleet: Any) -> None:
    code = await city.device(await city.gateway(), 1, cell=2**64 - 2**20, cell_level=22)
    headers = await city.token(await city.user("li"))
    async with fleet() as client:
        assert (await client.get(f"/api/v1/devices/{code}", headers=headers)).json()["cell"] == str(2**64 - 2**20)


async def test_a_wrong_change_is_refused_with_the_field_and_changes_nothing(city: Any, fleet: Any) -> None:
    code = await city.device(await city.gateway(), 1)
    headers = await city.token(await city.user("li", Role.OPERATOR))
    async with fleet() as client:
        before = (await client.get(f"/api/v1/devices/{code}", headers=headers)).json()
        for change, status in [
            ({"name": ""}, 422),
            ({"name": "a\nb"}, 422),
            ({"mount": "D1"}, 422),
            ({"division": "440300"}, 422),
            ({"status": "lost"}, 422),
            ({"status": "planned"}, 409),
            ({"model": "x"}, 422),
        ]:
            answer = await client.patch(f"/api/v1/devices/{code}", json={"name": "x"} | change, headers=headers)
            assert (answer.status_code, list(answer.json()["fields"])) == (status, list(change))
        assert (await client.get(f"/api/v1/devices/{code}", headers=headers)).json() == before


async def test_a_gateway_is_renamed_and_cannot_be_made(city: Any, fleet: Any) -> None:
    code = (await city.gateway()).gateway.code
    headers = await city.token(await city.user("li", Role.OPERATOR))
    async with fleet() as client:
        answer = await client.patch(f"/api/v1/gateways/{code}", json={"name": "North gate"}, headers=headers)
        assert (answer.status_code, answer.json()["name"]) == (200, "North gate")
        assert (await client.post("/api/v1/gateways", json={}, headers=headers)).status_code == 405


async def test_no_answer_holds_a_gateways_key(city: Any, fleet: Any) -> None:
    enrolled = await city.gateway()
    headers = await city.token(await city.user("admin", Role.ADMINISTRATOR))
    async with fleet() as client:
        for path in ("gateways", f"gateways/{enrolled.gateway.code}", "audit"):
            text = (await client.get(f"/api/v1/{path}", headers=headers)).text
            assert enrolled.key.hex() not in text
