"""A module's sockets as real ones of this machine, so that what is sent through a simulated modem arrives."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable
from typing import TypeAlias

from sim_devices.modem.pipe import Pipe

CHUNK = 512  # what the network hands a module at once
Address: TypeAlias = tuple[str, int]
WAITING = 65536  # bytes a TCP connection holds while the module cannot listen


class RadioSocket:
    """One UDP or TCP socket. `heard` gets what arrives and from whom; `ended` is told when the other side closes.

    `listens` is asked before anything is taken off the wire: a module that sleeps or has no coverage does not, and
    then datagrams are lost while a stream waits.
    """

    def __init__(
        self,
        number: int,
        stream: bool,
        heard: Callable[[bytes, Address], None],
        ended: Callable[[], None],
        local_port: int = 0,
    ) -> None:
        self.number, self.is_stream = number, stream
        self.peer: tuple[str, int] | None = None
        self.listens: Callable[[], bool] = lambda: True
        self.held = 0.0  # seconds that each thing takes, set by the module before it sends
        self._ended = ended
        self._names: dict[Address, str] = {}  # what the host called those it sent to
        self._loop = asyncio.get_running_loop()
        kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.setblocking(False)
        self._up: Pipe[tuple[bytes, Address]] = Pipe(self._transmit)
        self._down: Pipe[tuple[bytes, Address]] = Pipe(lambda item: heard(*item))
        self._unsent = bytearray()
        self._connected = False
        if not stream:
            try:
                self._socket.bind(("127.0.0.1", local_port))
            except OSError:
                self._socket.close()
                raise
            self._loop.add_reader(self._socket, self._readable)

    def connect(self, host: str, port: int, done: Callable[[bool], None]) -> None:
        """`done` is told whether there is a connection; a datagram socket has its peer at once."""
        try:
            self.peer = (reachable(host), port)
            if not self.is_stream:
                self._loop.call_soon(done, True)
                return
            with contextlib.suppress(BlockingIOError):
                self._socket.connect(self.peer)
        except OSError:
            self._loop.call_soon(done, False)
            return
        self._loop.add_writer(self._socket, self._finish_connecting, done)

    def _finish_connecting(self, done: Callable[[bool], None]) -> None:
        self._loop.remove_writer(self._socket)
        self._connected = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        if self._connected:
            self._loop.add_reader(self._socket, self._readable)
        done(self._connected)

    def send(self, data: bytes, delay_s: float, to: Address | None = None) -> bool:
        """False where there is nobody to send to."""
        peer = to or self.peer
        if peer is None or (self.is_stream and not self._connected):
            return False
        self._up.put((data, peer), delay_s)
        return True

    def _transmit(self, item: tuple[bytes, Address]) -> None:
        data, peer = item
        if self.is_stream:
            self._unsent += data
            self._writable()
            return
        where = (reachable(peer[0]), peer[1])
        self._names[where] = peer[0]
        with contextlib.suppress(OSError):  # a datagram that nobody takes is lost
            self._socket.sendto(data, where)

    def _writable(self) -> None:
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._end()
            return
        if self._unsent:
            self._loop.add_writer(self._socket, self._writable)
        else:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        if self.is_stream and not self.listens():
            # Looked at again soon: what waits in the kernel waits in the network.
            self._loop.remove_reader(self._socket)
            self._loop.call_later(0.02, self._listen_again)
            return
        try:
            data, source = self._socket.recvfrom(CHUNK if self.is_stream else WAITING)
        except BlockingIOError:
            return
        except OSError:
            data, source = b"", None
            if not self.is_stream:
                return  # an earlier datagram was refused
        if self.is_stream and not data:
            self._end()
        else:
            host, port = source or ("", 0)
            self._down.put((data, (self._names.get((host, port), host), port)), self.held)

    def _listen_again(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._readable)

    def _end(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._connected = False
        self._ended()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
        self._up.clear()
        self._down.clear()


def reachable(host: str) -> str:
    """The simulated network reaches this machine and nothing else: a name, or another address, is loopback."""
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return "127.0.0.1"
    return host if address.is_loopback else "127.0.0.1"
