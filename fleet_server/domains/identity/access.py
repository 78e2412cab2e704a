"""Who may read the audit trail."""

from typing import Annotated

from fastapi import Depends

from fleet_server.kernel.context import require
from fleet_server.kernel.errors import Forbidden
from fleet_server.kernel.principal import CITY, Principal


async def auditor(principal: Annotated[Principal, Depends(require("audit:read"))]) -> Principal:
    """Rows name users, gateways and devices of every division, and none says which: so it is the whole city or none."""
    if not principal.covers(CITY):
        raise Forbidden("The audit trail tells of the whole city: it needs a scope that covers it.")
    return principal
