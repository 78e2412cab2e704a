"""The driver families there are, by the name that a configuration gives them."""

from collections.abc import Mapping

from drivers.base import Family, ReportingFamily
from drivers.cjt188 import family as cjt188
from drivers.coap import family as coap
from drivers.dlt645 import family as dlt645
from drivers.lines import family as lines
from drivers.mbus import family as mbus
from drivers.modbus import family as modbus
from drivers.nbiot import family as nbiot

BUILTIN: Mapping[str, Family] = {
    "modbus-tcp": modbus.TCP,
    "modbus-rtu": modbus.RTU,
    "modbus-rtu-over-tcp": modbus.RTU_OVER_TCP,
    "dlt645": dlt645.SERIAL,
    "dlt645-over-tcp": dlt645.OVER_TCP,
    "cjt188": cjt188.SERIAL,
    "cjt188-over-tcp": cjt188.OVER_TCP,
    "mbus": mbus.SERIAL,
    "mbus-over-tcp": mbus.OVER_TCP,
    "nbiot": nbiot.NBIOT,
    "lines": lines.SERIAL,
    "lines-over-tcp": lines.OVER_TCP,
}

REPORTING: Mapping[str, ReportingFamily] = {
    "coap": coap.COAP,
}

ALL: Mapping[str, Family | ReportingFamily] = {**BUILTIN, **REPORTING}
