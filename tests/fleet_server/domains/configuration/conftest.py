"""The gateway of the commands' tests, which has told what it runs."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from protocols.edge import cose, envelope
from protocols.edge.desired import Desired, pack
from tests.fleet_server.domains.commands.conftest import City, auth, city

__all__ = ["city"]
RUNNING = "ab" * 32
TEXT = '[gateway]\ncode = "x"\n\n[[bus]]\nname = "street"\n'
EDITED = TEXT.replace("street", "yard")


@dataclass
class Desk:
    """An operator's, at the API; `taken` is what a broker was given."""

    city: City
    up: bool = True
    taken: list[tuple[str, bytes]] = field(default_factory=list)

    async def ask(self, method: str, path: str = "", who: str = "operator", **more: Any) -> Any:
        headers = auth(who) | more.pop("headers", {})
        url = f"/api/v1/gateways/{self.city.gateway}/configuration{path}"
        return await self.city.client.request(method, url, headers=headers, **more)

    async def seen(self) -> tuple[dict[str, Any], dict[str, str]]:
        answer = await self.ask("GET")
        assert answer.status_code == 200, answer.text
        return answer.json(), {"If-Match": answer.headers["etag"]}

    async def desire(self, text: str = EDITED, **more: Any) -> Any:
        _, tag = await self.seen()
        return await self.ask("PUT", json={"text": text, **more}, headers=tag)

    async def reports(self, running: str = RUNNING, online: bool = True, connection: int = 1) -> None:
        state = {"configuration": [1, running, False, ""]}
        await self.city.sql(
            "UPDATE gateway_state SET state = $1::jsonb, online = $2, connection = $3",
            json.dumps(state), online, connection,
        )  # fmt: skip

    async def tells(self, text: str, running: str = RUNNING) -> None:
        await self.city.result({"number": 1, "hash": running, "text": pack(text).hex()}, kind="configuration-text")

    async def result(self, number: int, status: str, **more: Any) -> None:
        await self.city.result({"desired": number, "status": status, **more}, kind="configuration-result")

    def publish(self, topic: str, sealed: bytes) -> bool:
        if self.up:
            self.taken.append((topic, sealed))
        return self.up

    def opened(self) -> list[Desired]:
        keys = {cose.key_id(self.city.key): self.city.key}
        found = []
        for topic, sealed in self.taken:
            message = envelope.open_sealed(envelope.parse_topic(topic), sealed, keys).message
            assert isinstance(message, Desired)
            found.append(message)
        return found


@pytest.fixture
async def desk(city: City) -> Desk:
    made = Desk(city)
    await made.reports()
    await made.tells(TEXT)
    return made
