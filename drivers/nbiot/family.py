"""The family `nbiot`, as drivers.catalog lists it: one module at a serial port, and its options."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.base import Line, LineConfig, Model, SerialSettings, Unit
from drivers.template.section import nearest
from drivers.transport.address import split_address
from drivers.transport.family import whole_unit

if TYPE_CHECKING:
    from drivers.nbiot.modem import Modem
    from protocols.at.dialect import Dialect

KEYS = ("dialect", "registration_s", "power_cycle", "relay_peer", "relay_port", "relay_to")
COAP_PORT = 5683  # RFC 7252, 6.1


class NbIotFamily:
    serial: SerialSettings | None = SerialSettings(115200, "N", 1)

    def unit(self, given: Unit) -> Unit:
        return whole_unit(given, 1, 1)

    def options(self, given: Mapping[str, object], base: Path) -> Mapping[str, object]:  # noqa: ARG002 - no paths
        for key in given:
            if key not in KEYS:
                raise ValueError(f"{key} is not known{nearest(key, KEYS)}")
        dialect = _dialect(given)
        checked: dict[str, object] = {"dialect": dialect.name}
        seconds = given.get("registration_s", 300)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= 86_400:
            raise ValueError(f"registration_s is {seconds!r}: seconds from 1 to 86400")
        checked["registration_s"] = float(seconds)
        if "power_cycle" in given:
            command = given["power_cycle"]
            if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
                raise ValueError('power_cycle is a command as a list of texts: ["/usr/local/bin/modem-power"]')
            checked["power_cycle"] = tuple(command)
        return checked | _relay(given, dialect)

    def load_model(self, source: str) -> Model:
        from drivers.nbiot.link import load_model

        return load_model(source)

    def create_line(self, config: LineConfig) -> Line:
        from drivers.nbiot.line import ModemLine
        from drivers.nbiot.relay import Relay

        modem = create_modem(config)
        source, server = config.options.get("relay_from"), config.options.get("relay_to")
        relay = Relay(modem, source, server) if isinstance(source, tuple | int) and isinstance(server, tuple) else None
        return ModemLine(modem, relay)


def _dialect(given: Mapping[str, object]) -> "Dialect":
    from protocols.at.dialects import DIALECTS

    name = str(given.get("dialect", ""))
    if name not in DIALECTS:
        raise ValueError(f"dialect is {name!r}{nearest(name, DIALECTS)}; it must be one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


def create_modem(config: LineConfig) -> "Modem":
    from drivers.nbiot.bringup import Patience
    from drivers.nbiot.modem import Modem
    from drivers.nbiot.power import power_cycle
    from drivers.transport.serial_port import SerialPort
    from protocols.at.dialects import DIALECTS

    options = config.options
    command = options.get("power_cycle")
    return Modem(
        config.through(SerialPort(config)),
        DIALECTS[str(options["dialect"])],
        power_cycle(command) if isinstance(command, tuple) else None,
        Patience(registration=float(str(options["registration_s"]))),
    )


def _relay(given: Mapping[str, object], dialect: "Dialect") -> dict[str, object]:
    """`relay_from`, a peer's address or a port of the module's own, and `relay_to`; nothing where none is asked for."""
    from protocols.at.dialect import Kind

    sources = [key for key in ("relay_peer", "relay_port") if key in given]
    if not sources and "relay_to" not in given:
        return {}
    if len(sources) != 1 or "relay_to" not in given:
        raise ValueError("relay_to, who listens on this machine, belongs to either relay_peer or relay_port")
    server = _address("relay_to", given["relay_to"])
    if sources == ["relay_port"]:
        port = given["relay_port"]
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            raise ValueError(f"relay_port is {port!r}: a port from 1 to 65535")
        if not dialect.listens:
            raise ValueError(f"relay_port: {dialect.name} hears only peers that it was connected to: name a relay_peer")
        return {"relay_from": port, "relay_to": server}
    peer = _address("relay_peer", given["relay_peer"])
    if reason := dialect.cannot_reach(Kind.UDP, *peer):
        raise ValueError(f"relay_peer: {reason}")
    return {"relay_from": peer, "relay_to": server}


def _address(key: str, given: object) -> tuple[str, int]:
    try:
        if not isinstance(given, str):
            raise ValueError(f"{given!r} is not host:port")  # noqa: TRY004 - a mistake of the configuration like others
        return split_address(given, COAP_PORT)
    except ValueError as error:
        raise ValueError(f"{key} is {error}") from None


NBIOT = NbIotFamily()
