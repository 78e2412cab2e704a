"""How many bytes a link carried today, as the kernel counts them for its connection: with TLS and headers.

Of what was sent again the headers alone are counted, and nothing of a connection that no MQTT came of.
"""

import json
import logging
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple

from agent.clock import FLOOR_MS

log = logging.getLogger(__name__)

# struct tcp_info (linux/tcp.h): bytes_acked, bytes_received, segs_out, segs_in stand from byte 120 on since Linux 4.6;
# what was sent and not yet acknowledged is counted a moment later.
_TCP_INFO = struct.Struct("=120xQQII")
_HEADER = 40  # IPv4 and TCP; IPv6 and TCP's options have more
DAY_MS = 86_400_000
SAVE_MS = 300_000  # how much a crash forgets, against a flash that wears


class Bytes(NamedTuple):
    sent: int = 0
    received: int = 0


def of(sock: Any) -> Bytes:
    """Of a socket since its connection began; nothing where there is none any more, or the system does not count."""
    try:
        info = b"" if sock is None else sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:
        return Bytes()
    if len(info) < _TCP_INFO.size:
        return Bytes()
    acked, received, out, came = _TCP_INFO.unpack_from(info)
    return Bytes(acked + _HEADER * out, received + _HEADER * came)


class Traffic:
    """Counts per link and UTC day, kept over restarts in a small file: a day's budget is not to be had twice."""

    def __init__(self, path: Path | None, names: list[str], now_ms: int) -> None:
        self._path = path
        self._today: dict[str, Bytes] = dict.fromkeys(names, Bytes())
        self.total: dict[str, Bytes] = dict.fromkeys(names, Bytes())  # since the process began
        self._day = now_ms // DAY_MS
        self._saved = now_ms
        self._open: dict[str, Bytes] = {}
        self._read(is_set=now_ms >= FLOOR_MS)

    def today(self, name: str) -> Bytes:
        return self._today[name]

    def began(self, name: str) -> None:
        self._open[name] = Bytes()

    def count(self, name: str, since_it_began: Bytes, now_ms: int) -> None:
        """What the connection of that link has carried until now."""
        before = self._open.get(name, Bytes())
        sent = max(0, since_it_began.sent - before.sent)
        received = max(0, since_it_began.received - before.received)
        self._open[name] = Bytes(max(before.sent, since_it_began.sent), max(before.received, since_it_began.received))
        self.turn(now_ms)
        for counts in (self._today, self.total):
            counts[name] = Bytes(counts[name].sent + sent, counts[name].received + received)
        if abs(now_ms - self._saved) >= SAVE_MS:
            self.save(now_ms)

    def turn(self, now_ms: int) -> None:
        """Begins the day anew if it is another: to be called before today() is asked."""
        day = now_ms // DAY_MS
        if day > self._day:  # a clock that goes back does not give a day's budget again
            self._today = dict.fromkeys(self._today, Bytes())
        if day > self._day or (day < self._day - 1 and now_ms >= FLOOR_MS):  # or it was years ahead: the day ends yet
            self._day = day

    def save(self, now_ms: int) -> None:
        self._saved = now_ms
        if self._path is None or not any(map(any, self._today.values())):
            return
        try:
            beside = self._path.with_suffix(".new")
            beside.write_text(json.dumps({"day": self._day, "links": self._today}), "utf-8")
            beside.replace(self._path)
        except OSError as error:
            log.warning("%s: what the links carried today is not kept: %s", self._path, error)

    def _read(self, is_set: bool) -> None:
        """Of a clock that `is_set` the day counts; before, today is the day of the file, which the clock will reach."""
        if self._path is None:
            return
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            if kept["day"] >= self._day:
                self._day = self._day if is_set else int(kept["day"])
                for name, (sent, received) in kept["links"].items():
                    if name in self._today:
                        self._today[name] = Bytes(int(sent), int(received))
        except FileNotFoundError:
            pass  # the first day
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: what the links carried today is counted from nothing: %s", self._path, error)
