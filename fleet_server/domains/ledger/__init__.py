"""Which gateways and devices there are, where, on what, and in which stage of their life."""

from fleet_server.domains.ledger.api import router
from fleet_server.domains.ledger.wiring import on_birth_stored, open_ports
from fleet_server.kernel.domain import Domain, Subscription

DOMAIN = Domain(
    "ledger",
    router=router,
    tables=("gateway", "gateway_key", "device"),
    permissions=("ledger:read", "ledger:write"),
    subscribes=(Subscription("birth.stored", on_birth_stored),),
    ports=open_ports,
)
