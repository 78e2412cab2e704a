"""The CoAP server, on aiocoap: RFC 7252 over UDP, block-wise transfer (RFC 7959), OSCORE (RFC 8613)."""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping
from itertools import count
from typing import Any

import aiocoap
from aiocoap import resource
from aiocoap.defaults import oscore_missing_modules
from aiocoap.error import RenderableError
from aiocoap.util import hostportsplit

from drivers.base import LineDown, Report
from drivers.coap.inbox import Arrival, Inbox, Rejected
from drivers.coap.model import SenmlModel
from drivers.coap.settings import INSTALL, Access
from drivers.transport.address import split_address

log = logging.getLogger(__name__)

PORT = 5683  # RFC 7252, 12.6
MAX_REMEMBERED = 30_000  # messages: those of 1000 sensors, each every 10 s; at 3 KB each they are 90 MB
MAX_AGE_S = 30  # when a sender may try again what could not be taken now


class CoapListener:
    """A drivers.base.Listener."""

    def __init__(self, address: str, access: Access, models: Mapping[str, SenmlModel]) -> None:
        self._address = address
        self._access = access
        self._inbox = Inbox(access, models)
        self._context: aiocoap.Context | None = None
        self._credentials: Any = None  # kept over every opening: each context holds a lock on its folder
        for unit in models if not access.plain else ():
            if unit not in access.oscore:
                log.warning("%s: %s has no OSCORE context, so it cannot report", address, unit)

    async def open(self) -> None:
        await self.close()
        host, port = split_address(self._address, PORT)
        try:
            await _refuse_taken(host, port)
            site = self._protect(_Resource(self._inbox))
            self._context = await aiocoap.Context.create_server_context(site, bind=(host, port), transports=["udp6"])
            for interface in self._context.request_interfaces:
                _bound(interface.token_interface, self._inbox)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise LineDown(f"{self._address}: cannot listen: {error}") from None

    async def close(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            await context.shutdown()

    async def next(self) -> Report:
        return await self._inbox.next()

    def _protect(self, site: "_Resource") -> Any:
        """`site` behind OSCORE, where there are contexts. Raises ValueError, RuntimeError, OSError or ImportError."""
        if not self._access.oscore:
            return site
        if missing := oscore_missing_modules():
            raise RuntimeError(f"OSCORE needs {', '.join(missing)}: {INSTALL}")
        from aiocoap.credentials import CredentialsMap
        from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

        if self._credentials is None:
            found = CredentialsMap()
            folders = {unit: {"oscore": {"basedir": str(path)}} for unit, path in self._access.oscore.items()}
            try:
                found.load_from_dict(folders)
            except (AttributeError, LookupError, TypeError) as error:  # files of another form than aiocoap wrote
                raise ValueError(f"OSCORE contexts: {error!r}") from None
            self._credentials = found
        return _Gate(OscoreSiteWrapper(site, self._credentials), self._inbox)


class _Resource(resource.Resource, resource.PathCapable):  # type: ignore[misc]
    """Every path: which of them there are is the inbox's to say."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self._inbox = inbox
        self._serial = count()

    async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
        """Asked for every block, so that nothing of a stranger's is kept, and no payload grows without end."""
        source, is_loopback = _source(request)
        block = request.opt.block1
        try:
            self._inbox.admit(source, is_loopback, _sender(request))
            if block is not None:
                self._inbox.limit(source, block.start + len(request.payload))
        except Rejected as error:
            raise _Refusal(error) from None
        return True

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        source, is_loopback = _source(request)
        sender = _sender(request)
        # aiocoap answers a repeated message id itself (RFC 7252, 4.5). What OSCORE lets through is no replay, and its
        # inner message has no id.
        reception = (source, request.mid, request.token) if sender is None else next(self._serial)
        arrival = Arrival(
            source=source,
            is_loopback=is_loopback,
            sender=sender,
            path=request.opt.uri_path,
            content_format=request.opt.content_format,
            payload=request.payload,
            reception=repr(reception).encode(),
        )
        try:
            self._inbox.take(arrival)
        except Rejected as error:
            raise _Refusal(error) from None
        return aiocoap.Message(code=aiocoap.CHANGED)

    render_put = render_post


class _Gate:
    """Counts whom OSCORE turns away: aiocoap answers them itself."""

    def __init__(self, site: Any, inbox: Inbox) -> None:
        self._site = site
        self._inbox = inbox

    async def render_to_pipe(self, pipe: Any) -> None:
        from aiocoap.oscore import ReplayErrorWithEcho

        try:
            await self._site.render_to_pipe(pipe)
        except (_Refusal, ReplayErrorWithEcho):
            raise  # counted already; and the recovery after a crash of ours
        except RenderableError as error:
            self._inbox.tell_of_stranger(_source(pipe.request)[0], f"OSCORE: {error}")
            raise


class _Refusal(RenderableError):  # type: ignore[misc]
    def __init__(self, rejected: Rejected) -> None:
        super().__init__(str(rejected))
        self._rejected = rejected

    def to_message(self) -> aiocoap.Message:
        code = aiocoap.Code(int(self._rejected.answer))
        again = MAX_AGE_S if code is aiocoap.SERVICE_UNAVAILABLE else None
        return aiocoap.Message(code=code, payload=str(self._rejected).encode()[:200], max_age=again)


def _bound(manager: Any, inbox: Inbox) -> None:
    """Drops what comes while as much is remembered as may be: a flood costs the reports of its time, not the gateway.

    aiocoap keeps every message for 247 s (RFC 7252, 4.8.2), to know one that comes again, however many there are.
    """
    take = manager.dispatch_message

    def take_if_room(message: aiocoap.Message) -> None:
        if len(manager._recent_messages) < MAX_REMEMBERED:  # noqa: SLF001 - aiocoap has no setting for it
            take(message)
        else:
            inbox.tell_of_stranger(str(message.remote.hostinfo), "dropped: more messages within 247 s than are kept")

    manager.dispatch_message = take_if_room


async def _refuse_taken(host: str, port: int) -> None:
    """Raises OSError where we cannot bind: aiocoap would share a port that another process has, and lose half to it."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(host, port)
    )
    transport.abort()
    await asyncio.sleep(0)  # when the loop closes it


def _source(request: aiocoap.Message) -> tuple[str, bool]:
    """Where a message came from, and whether that is this machine."""
    source: str = request.remote.hostinfo
    host, _ = hostportsplit(source)
    return source, ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _sender(request: aiocoap.Message) -> str | None:
    claims = list(request.remote.authenticated_claims)
    return claims[0] if claims else None
