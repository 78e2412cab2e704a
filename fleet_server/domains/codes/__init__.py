"""City codes: minting new ones, and telling what one is."""

from fleet_server.domains.codes.api import router
from fleet_server.domains.codes.pages import pages
from fleet_server.kernel.domain import Domain

DOMAIN = Domain(
    "codes",
    router=router,
    pages=pages,
    tables=("code_serial", "minted_code"),
    permissions=("codes:mint",),
)
