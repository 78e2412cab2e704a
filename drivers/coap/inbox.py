"""Packs as they come in: checked, read, queued for the gateway; and what their senders are told. No sockets in here."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from drivers.base import Nonsense, Report, Stranger
from drivers.coap.model import SenmlModel
from drivers.coap.reports import ClockUnset, NotItsOwn, ReportReader, TooFast, UnknownSender, Unusable
from drivers.coap.settings import Access
from protocols.errors import RemoteProtocolError
from protocols.senml import cbor_form, json_form
from protocols.senml.record import MAX_BYTES
from protocols.senml.resolve import resolve

MAX_WAITING = 256
SENML_PATH = ("senml",)
_DECODERS = {json_form.CONTENT_FORMAT: json_form.decode_json, cbor_form.CONTENT_FORMAT: cbor_form.decode_cbor}


class Answer(IntEnum):
    """CoAP response codes (RFC 7252, 12.1.2), class * 32 + detail."""

    CHANGED = 2 << 5 | 4
    BAD_REQUEST = 4 << 5 | 0
    UNAUTHORIZED = 4 << 5 | 1
    FORBIDDEN = 4 << 5 | 3
    NOT_FOUND = 4 << 5 | 4
    TOO_LARGE = 4 << 5 | 13
    UNSUPPORTED_CONTENT_FORMAT = 4 << 5 | 15
    SERVICE_UNAVAILABLE = 5 << 5 | 3


class Rejected(Exception):
    """`answer` goes to the sender, with this message as its diagnostic payload (RFC 7252, 5.5.2)."""

    def __init__(self, answer: Answer, message: str) -> None:
        super().__init__(message)
        self.answer = answer


class Arrival(NamedTuple):
    """`sender` is the unit that proved to send it, or None. `reception` names this one message."""

    source: str
    is_loopback: bool
    sender: str | None
    path: Sequence[str]
    content_format: int | None
    payload: bytes
    reception: bytes


class Inbox:
    def __init__(self, access: Access, models: Mapping[str, SenmlModel], now: Callable[[], float] = time.time) -> None:
        self._access = access
        self._units = frozenset(models)
        self._reader = ReportReader(models)
        self._now = now
        self._waiting: asyncio.Queue[Report | Nonsense] = asyncio.Queue(MAX_WAITING)

    async def next(self) -> Report:
        """Raises Nonsense for what was rejected."""
        found = await self._waiting.get()
        if isinstance(found, Nonsense):
            raise found
        return found

    def admit(self, source: str, is_loopback: bool, sender: str | None) -> None:
        """Whether anything at all is taken from there. Raises Rejected."""
        if sender is None and not (self._access.plain and is_loopback):
            raise self._reject(source, Answer.UNAUTHORIZED, "this gateway takes OSCORE (RFC 8613) with a known context")

    def limit(self, source: str, size: int) -> None:
        """Raises Rejected for a payload that grows too large, before its last block is here."""
        if size > MAX_BYTES:
            raise self._reject(source, Answer.TOO_LARGE, f"more than {MAX_BYTES} bytes")

    def take(self, arrival: Arrival) -> None:
        """Queues the reports of one whole message. Raises Rejected."""
        self.admit(arrival.source, arrival.is_loopback, arrival.sender)
        at = self._unit_at(arrival)
        decode = _DECODERS.get(-1 if arrival.content_format is None else arrival.content_format)
        if decode is None:
            formats = f"{json_form.CONTENT_FORMAT} (SenML+JSON) and {cbor_form.CONTENT_FORMAT} (SenML+CBOR)"
            raise self._reject(arrival.source, Answer.UNSUPPORTED_CONTENT_FORMAT, f"content formats are {formats}")
        now_ms = round(self._now() * 1000)
        try:
            pack = resolve(decode(arrival.payload))
            units = self._reader.units(pack, arrival.sender, at)
            self._refuse_unproven(units, arrival)
            if self._waiting.maxsize - self._waiting.qsize() < len(units):
                raise Rejected(Answer.SERVICE_UNAVAILABLE, "too much at once; try again")
            for report in self._reader.read(units, now_ms, arrival.reception):
                self._waiting.put_nowait(report)
        except (RemoteProtocolError, Unusable) as error:
            raise self._reject(arrival.source, _answer_to(error), str(error)) from None

    def _unit_at(self, arrival: Arrival) -> str | None:
        """The unit whose own resource this is; None for the one of all."""
        if tuple(arrival.path) == SENML_PATH:
            return None
        unit = "/".join(arrival.path)
        if unit not in self._units:
            raise self._reject(arrival.source, Answer.NOT_FOUND, "post to /senml, or to / and the name of a device")
        return unit

    def _refuse_unproven(self, units: Mapping[str, object], arrival: Arrival) -> None:
        """A device that can prove who it is must."""
        for unit in units:
            if arrival.sender is None and unit in self._access.oscore:
                raise self._reject(arrival.source, Answer.UNAUTHORIZED, f"{unit} has an OSCORE context; use it")

    def tell_of_stranger(self, source: str, message: str) -> None:
        """The gateway, of somebody who was turned away before he came here."""
        self._tell(Stranger(f"{source}: {message}"))

    def _reject(self, source: str, answer: Answer, message: str) -> Rejected:
        stranger = answer in (Answer.UNAUTHORIZED, Answer.FORBIDDEN, Answer.NOT_FOUND)
        self._tell((Stranger if stranger else Nonsense)(f"{source}: {message}"))
        return Rejected(answer, message)

    def _tell(self, complaint: Nonsense) -> None:
        if self._waiting.qsize() < MAX_WAITING // 2:  # a flood of strangers leaves room for reports
            self._waiting.put_nowait(complaint)


def _answer_to(error: Exception) -> Answer:
    if isinstance(error, UnknownSender):
        return Answer.NOT_FOUND
    if isinstance(error, NotItsOwn):
        return Answer.FORBIDDEN
    return Answer.SERVICE_UNAVAILABLE if isinstance(error, ClockUnset | TooFast) else Answer.BAD_REQUEST
