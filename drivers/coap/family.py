"""The family as drivers.catalog lists it. aiocoap is loaded by gateways that have such a bus, and by no other."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.base import Described, LineConfig, Listener, SerialSettings, Unit
from drivers.coap.settings import access, read_options

if TYPE_CHECKING:
    from drivers.coap.model import SenmlModel

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,255}")  # RFC 8428, 4.5.1


class CoapFamily:
    serial: SerialSettings | None = None

    def unit(self, given: Unit) -> Unit:
        if not isinstance(given, str) or not _NAME.fullmatch(given):
            raise ValueError(
                f'{given!r} is not what the names of its records begin with, such as "urn:dev:mac:0024befffe804ff1"'
            )
        return given

    def options(self, given: Mapping[str, object], base: Path) -> Mapping[str, object]:
        return read_options(given, base)

    def load_model(self, source: str) -> "SenmlModel":
        from drivers.coap.model import load_model

        return load_model(source)

    def create_listener(self, config: LineConfig, models: Mapping[Unit, Described]) -> Listener:
        from drivers.coap.listener import CoapListener
        from drivers.coap.model import SenmlModel

        ours = {str(unit): model for unit, model in models.items() if isinstance(model, SenmlModel)}
        return CoapListener(config.address, access(config.options), ours)


COAP = CoapFamily()
