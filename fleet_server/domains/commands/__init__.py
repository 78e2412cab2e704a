"""Writing to devices: who may, what was sent, and what became of it."""

from fleet_server.domains.commands.api import router
from fleet_server.domains.commands.dispatch import dispatcher
from fleet_server.domains.commands.pages import pages
from fleet_server.domains.commands.wiring import on_event_stored, open_ports
from fleet_server.kernel.domain import Domain, Subscription

DOMAIN = Domain(
    "commands",
    router=router,
    pages=pages,
    tables=("command", "command_number"),
    permissions=("commands:send",),
    subscribes=(Subscription("event.stored", on_event_stored),),
    companions=(dispatcher,),
    ports=open_ports,
)
