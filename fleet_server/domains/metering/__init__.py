"""What meters counted: exact consumption across roll-over and replacement, and which meters to look at."""

from fleet_server.domains.metering.api import router
from fleet_server.domains.metering.pages import pages
from fleet_server.domains.metering.wiring import watch
from fleet_server.kernel.domain import Domain, Job

DOMAIN = Domain(
    "metering",
    router=router,
    pages=pages,
    tables=("meter_replacement", "meter_suspicion", "meter_watch"),
    permissions=("metering:write",),
    jobs=(Job("metering-watch", every_s=60.0, run=watch),),
)
