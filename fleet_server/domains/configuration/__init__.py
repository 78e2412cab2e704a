"""What gateways shall run: desired from here, tried there, kept where it proves itself."""

from fleet_server.domains.configuration.api import router
from fleet_server.domains.configuration.dispatch import dispatcher
from fleet_server.domains.configuration.pages import pages
from fleet_server.domains.configuration.wiring import on_event_stored
from fleet_server.kernel.domain import Domain, Subscription

DOMAIN = Domain(
    "configuration",
    router=router,
    pages=pages,
    tables=("configuration_version", "configuration_number"),
    permissions=("configuration:write",),
    subscribes=(Subscription("event.stored", on_event_stored),),
    companions=(dispatcher,),
)
