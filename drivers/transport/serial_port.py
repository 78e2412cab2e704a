"""A serial port on the event loop: pyserial sets it up, the loop watches its descriptor."""

import asyncio
import errno
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import serial

from drivers.base import LineConfig, LineDown
from drivers.transport.identity import Identity
from protocols.modbus.rtu import MAX_ADU, char_time, idle_time

# USB adapters hand over what they received every 16 ms, radio modems in bursts: far shorter pauses mean nothing.
QUIET_S = 0.1
PARITIES = {"N": serial.PARITY_NONE, "E": serial.PARITY_EVEN, "O": serial.PARITY_ODD}


class SerialPort:
    """Opened for this process alone. A descriptor that dies (a USB adapter pulled out) is told as a loss."""

    def __init__(self, config: LineConfig) -> None:
        if config.parity not in PARITIES or config.stop_bits not in (1, 2) or config.baud <= 0:
            raise ValueError(f"{config.address}: no line has {config.baud} baud, {config.parity}, {config.stop_bits}")
        self.where = config.address
        self.char_s = char_time(config.baud, config.parity, config.stop_bits)
        self.idle_s = idle_time(config.baud)
        self.quiet_s: float | None = max(QUIET_S, self.idle_s)
        self._config = config
        self._port: serial.Serial | None = None
        self._unsent = bytearray()
        self._identity = Identity(config.address)

    async def open(self, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        await self.close()
        self._on_data, self._on_lost = on_data, on_lost
        config, loop = self._config, asyncio.get_running_loop()
        try:
            path = self._identity.find(loop.time())
            # Not a second is spent in here: timeout=0 opens and reads without blocking.
            self._port = serial.Serial(
                path,
                config.baud,
                parity=PARITIES["N" if _is_pseudo(path) else config.parity],
                stopbits=config.stop_bits,
                timeout=0,
                write_timeout=0,
                exclusive=True,
            )
            self._port.reset_input_buffer()
        except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
            raise LineDown(f"{self.where}: cannot be opened: {_cause(error)}") from None
        self._identity.opened(loop.time())
        loop.add_reader(self._port.fileno(), self._readable)

    async def close(self) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(port.fileno())
        loop.remove_writer(port.fileno())
        self._unsent.clear()
        _forget_unsent(port)
        port.close()

    def write(self, data: bytes) -> None:
        self._unsent += data
        self._writable()

    def _writable(self) -> None:
        """A frame fits the kernel's buffer, unless flow control or a stuck adapter holds it."""
        if self._port is None:
            return
        descriptor, loop = self._port.fileno(), asyncio.get_running_loop()
        try:
            del self._unsent[: os.write(descriptor, self._unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(error)
            return
        if self._unsent:
            loop.add_writer(descriptor, self._writable)
        else:
            loop.remove_writer(descriptor)

    def _readable(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._port.fileno(), 4 * MAX_ADU)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._on_data(data)
        else:
            self._lose("end of file: the adapter is gone")

    def _lose(self, cause: object) -> None:
        port, self._port = self._port, None
        if port is not None:
            loop = asyncio.get_running_loop()
            self._identity.lost(loop.time())
            loop.remove_reader(port.fileno())
            loop.remove_writer(port.fileno())
            self._unsent.clear()
            _forget_unsent(port)
            port.close()
            self._on_lost(f"lost: {cause}")


def _forget_unsent(port: serial.Serial) -> None:
    """What waits in the kernel would go out when the port is opened again: a write that was given up long ago."""
    with suppress(OSError, termios.error):  # SerialException is an OSError; the adapter may be gone
        port.reset_output_buffer()


def _is_pseudo(path: str) -> bool:
    """A pseudo-terminal carries no parity: the kernel passes over the wish, and refuses one that would change nothing
    else, as when the same one is opened again."""
    return str(Path(path).resolve()).startswith("/dev/pts/")


def _cause(error: Exception) -> str:
    """pyserial says the path and the system's words twice over."""
    match getattr(error, "errno", None):
        case None:
            return str(error)
        case errno.EACCES:
            return "Permission denied; is this user in the group of the port (dialout)?"
        case errno.EAGAIN | errno.EBUSY:
            return "another program has it open"
        case number:
            return os.strerror(number)
