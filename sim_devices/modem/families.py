"""The families a simulated modem can be of."""

from collections.abc import Mapping

from sim_devices.modem.bc95 import BC95
from sim_devices.modem.bc660k import BC660K
from sim_devices.modem.family import Family
from sim_devices.modem.sim7020 import SIM7020

FAMILIES: Mapping[str, Family] = {family.name: family for family in (BC95, BC660K, SIM7020)}
