"""Who may sign in, what they may do, and for which part of the city."""

from fleet_server.domains.identity.api import router
from fleet_server.domains.identity.pages import pages
from fleet_server.domains.identity.wiring import open_ports, prune
from fleet_server.kernel.domain import Domain, Job

DOMAIN = Domain(
    "identity",
    router=router,
    pages=pages,
    tables=("user_account", "user_session", "api_token", "sign_in_failure", "set_up_link"),
    permissions=("identity:manage", "audit:read"),
    jobs=(Job("identity-pruner", every_s=600.0, run=prune),),
    ports=open_ports,
)
