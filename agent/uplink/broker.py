"""Where the broker is, and how to speak to it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from aiomqtt import MqttError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORTS = {"mqtt": 1883, "mqtts": 8883}
TIMEOUT_S = 10.0  # for the broker's answer
KEEPALIVE_S = 20
Reach: TypeAlias = Callable[[], Awaitable[tuple[str, int]]]
MAX_PACKET = 512 << 10  # what comes down is far smaller; the broker is not to send us more


@dataclass(frozen=True)
class Broker:
    """`reach` says where to connect instead, for a connection that something else carries to `host` and `port`; it
    raises OSError while that cannot be done.
    """

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    reach: Reach | None = None
    timeout_s: float = TIMEOUT_S
    keepalive_s: int = KEEPALIVE_S

    def tls_context(self) -> ssl.SSLContext | None:
        """Certificate and host name are checked, always; `ca_file` replaces the machine's own authorities."""
        if not self.tls:
            return None
        if self.reach is None:
            return ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        context = _CarriedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.peer = self.host
        if self.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(self.ca_file)
        return context


class _CarriedContext(ssl.SSLContext):
    """For a connection that is carried: the client knows the address it connects to, the certificate names `peer`."""

    peer: str

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *args, **(options | {"server_hostname": self.peer}))


def parse_broker(url: str) -> Broker:
    """mqtt://host:port or mqtts://host:port. Raises ValueError in words for whoever wrote the URL."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is not mqtt://host:port or mqtts://host:port")
    if parts.username or parts.password or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{parts.scheme}://{parts.hostname}: only host and port belong in a broker's URL")
    return Broker(parts.hostname, parts.port or PORTS[parts.scheme], tls=parts.scheme == "mqtts")


def connect_properties() -> Properties:
    """No session outlives the connection (contracts.md, Delivery 7)."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0
    properties.MaximumPacketSize = MAX_PACKET
    return properties


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raises MqttError when the time is over.

    In the place of aiomqtt's own timeouts, which go through asyncio.wait_for: until Python 3.12 that loses a
    cancellation which meets the answer, and the gateway would then never end.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise MqttError(f"no answer within {seconds:g} s") from None
