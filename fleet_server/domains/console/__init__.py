"""The pages by which an operator sees the whole fleet. It owns no table and meets the others through ports alone."""

from fleet_server.domains.console.pages import pages
from fleet_server.kernel.domain import Domain

DOMAIN = Domain("console", pages=pages)
