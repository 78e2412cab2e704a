"""What meters counted: exact consumption across roll-over and replacement, and which meters to look at."""

from fastapi import APIRouter

from fleet_server.domains.metering import listing, pages
from fleet_server.domains.metering.api import router
from fleet_server.domains.metering.wiring import watch
from fleet_server.kernel.domain import Domain, Job

DOMAIN = Domain(
    "metering",
    router=router,
    pages=APIRouter(routes=[*listing.pages.routes, *pages.pages.routes]),
    tables=("meter_replacement", "meter_suspicion", "meter_watch"),
    permissions=("metering:write",),
    jobs=(Job("metering-watch", every_s=60.0, run=watch),),
)
