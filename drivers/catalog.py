"""The driver families there are, by the name that a configuration gives them."""

from collections.abc import Mapping

from drivers.base import Family, ReportingFamily
from drivers.modbus import family as modbus

BUILTIN: Mapping[str, Family] = {
    "modbus-tcp": modbus.TCP,
    "modbus-rtu": modbus.RTU,
    "modbus-rtu-over-tcp": modbus.RTU_OVER_TCP,
}

REPORTING: Mapping[str, ReportingFamily] = {}

ALL: Mapping[str, Family | ReportingFamily] = {**BUILTIN, **REPORTING}
