"""The families there are, by the name that a configuration gives them."""

from collections.abc import Mapping

from protocols.at.bc95 import Bc95
from protocols.at.bc660k import Bc660k
from protocols.at.dialect import Dialect
from protocols.at.sim7020 import Sim7020

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (Bc95(), Bc660k(), Sim7020())}
