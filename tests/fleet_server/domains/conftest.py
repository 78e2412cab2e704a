"""Gateways, devices and people in a fresh database, made by the services that make them in the product."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from argon2 import PasswordHasher

from fleet_server.app import open_context
from fleet_server.domains.identity.models import Role, User
from fleet_server.domains.identity.service import Identity, Passwords
from fleet_server.domains.identity.wiring import create_identity
from fleet_server.domains.ledger.models import born
from fleet_server.domains.ledger.service import Enrolled, Enrolment, LedgerService
from fleet_server.domains.ledger.store import PostgresStore
from fleet_server.domains.ledger.wiring import create_enrolment, create_ledger
from fleet_server.kernel.context import Context
from fleet_server.kernel.database import Database
from fleet_server.kernel.principal import Principal, system
from protocols.citycode import mint
from protocols.edge.birth import DeviceDescription

SECRET = "Geheimnis"  # of names that not everyone may see
PASSWORD = "correct horse battery"
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
HUILONGGUAN, DONGHUAMEN = "110114011", "110101001"


def code(serial: int, component: str = "9001", district: str = "110114") -> str:
    return mint("D", f"{district}{component}{serial:06d}").text


@dataclass
class City:
    """The services on the web role, and `owner`'s where the product uses the owner's."""

    context: Context
    owner: Database
    identity: Identity
    owners_identity: Identity
    ledger: LedgerService
    enrolment: Enrolment
    root: Principal

    async def user(self, name: str, role: Role = Role.VIEWER, scope: Collection[str] = ("bj",)) -> User:
        return await self.identity.create_user(self.root, name, PASSWORD, role, scope)

    async def token(self, user: User) -> dict[str, str]:
        """Headers that make a request the user's."""
        permissions = user.principal.permissions
        made = await self.identity.create_token(user.principal, "test", permissions, 30)
        return {"authorization": f"Bearer {made.secret}"}

    async def browser(self, user: User) -> dict[str, str]:
        """The headers of a browser that the user signed in with."""
        signed_in = await self.identity.sign_in(user.name, PASSWORD, address="192.0.2.7")
        cookie = f"hutong_session={signed_in.secret}"
        return {"cookie": cookie, "accept-language": "en", "sec-fetch-site": "same-origin"}

    async def gateway(self, serial: int = 77, division: str = HUILONGGUAN, name: str = "Gateway") -> Enrolled:
        return await self.enrolment.enrol(code(serial, "9000"), name, division)

    async def device(self, gateway: Enrolled, serial: int, **changes: Any) -> str:
        described = DeviceDescription(code(serial), "lamp_controller", f"Lamp {serial}", "line", (23, 0x1234 << 46))
        device = replace(born(described, gateway.gateway, self.context.clock.now()), **changes)
        async with self.context.database.system() as connection:
            await PostgresStore(connection).put_device(device, self.context.clock.now())
        return device.code

    async def audited(self, action: str) -> list[dict[str, Any]]:
        """The rows of an action, oldest first."""
        async with self.owner.system() as connection:
            rows = await connection.fetch("SELECT * FROM audit WHERE action = $1 ORDER BY id", action)
        return [dict(row) for row in rows]


@asynccontextmanager
async def opened_city(settings: Any, clock: Any) -> AsyncIterator[City]:
    async with open_context(settings, clock=clock) as context, Database(settings.database.owner, size=2) as owner:
        yield City(
            context,
            owner,
            create_identity(context.database, clock, QUICK),
            create_identity(owner, clock, QUICK),
            create_ledger(context.database, clock),
            create_enrolment(owner, clock, settings.secrets.dir),
            system("test"),
        )


@pytest.fixture
async def city(fleet_settings: Any, clock: Any) -> AsyncIterator[City]:
    async with opened_city(fleet_settings, clock) as opened:
        yield opened


@dataclass(frozen=True)
class Seed:
    """What a file's one database holds; `administrator` and `stranger` are the headers of their browsers."""

    gateway: str
    device: str
    administrator: dict[str, str]
    stranger: dict[str, str]


@pytest.fixture(scope="module")
def seed(module_fleet_settings: Any, clock_start: Any, aside: Any) -> Seed:
    """Two gateways and five devices in Huilongguan, all with SECRET in their names; a stranger who sees Dongcheng."""

    class Still:
        def now(self) -> Any:
            return clock_start

    async def sow() -> Seed:
        async with opened_city(module_fleet_settings, Still()) as city:
            gateway = await city.gateway(77, name=f"{SECRET} gateway")
            await city.gateway(78, name=f"{SECRET} other")
            devices = [await city.device(gateway, serial, name=f"{SECRET} {serial}") for serial in range(1, 6)]
            administrator = await city.browser(await city.user("admin", Role.ADMINISTRATOR))
            stranger = await city.browser(await city.user("stranger", Role.ADMINISTRATOR, ["bj.110101"]))
            return Seed(gateway.gateway.code, devices[0], administrator, stranger)

    planted: Seed = aside(sow())
    return planted
