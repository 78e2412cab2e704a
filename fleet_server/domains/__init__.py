"""Every platform function, in the order in which it is mounted."""

from fleet_server.domains import codes, commands, configuration, console, identity, ledger, metering, telemetry
from fleet_server.kernel.domain import Domain

ALL: tuple[Domain, ...] = (
    identity.DOMAIN,
    ledger.DOMAIN,
    telemetry.DOMAIN,
    commands.DOMAIN,
    configuration.DOMAIN,
    metering.DOMAIN,
    codes.DOMAIN,
    console.DOMAIN,
)
