"""Asking a driver of itself while a configuration is read: in a child, question by question, with nothing beside."""

import logging
import subprocess
import time
from typing import Any

from drivers.outside import spawn, wire
from drivers.outside.installed import Installed
from drivers.outside.output import Output, one_line
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.stream import NEED_DATA

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
CHUNK = 1 << 16


class NoAnswer(ValueError):
    """The driver does not take what it was asked about, or cannot answer."""


class Interview:
    """Begins with the driver's import. Raises NoAnswer."""

    def __init__(self, driver: Installed, memory_bytes: int) -> None:
        self._driver = driver
        self._memory_bytes = memory_bytes
        self._over = ""  # why there are no more answers
        self._number = 0
        self._output = Output()
        self._decoder = wire.Decoder()
        self._process, self._socket = spawn.start(driver.name, memory_bytes)
        try:
            self.about: dict[str, Any] = self.ask("load", driver.value)
        except NoAnswer:
            self.close()
            raise

    def ask(self, verb: str, *arguments: object) -> Any:
        """Raises NoAnswer; after the child has failed always."""
        if self._over:
            raise NoAnswer(self._over)
        self._number += 1
        try:
            question = wire.encode([self._number, verb, *arguments])
            # What TOML has and we do not hand over, such as dates, would end the child.
            wire.Decoder(question).next_message()
        except (LocalProtocolError, RemoteProtocolError) as error:
            raise NoAnswer(f"{self._driver} cannot be asked: {error}") from None
        try:
            answer = self._exchange(question)
        except TimeoutError:
            raise self._failed(f"it gave no answer within {PATIENCE_S:g} s") from None
        except (OSError, RemoteProtocolError, subprocess.TimeoutExpired) as error:
            raise self._failed(str(error)) from None
        self._log()
        match answer:
            case [self._number, wire.OK, result]:
                return result
            case [self._number, "value", str(words)]:
                raise NoAnswer(one_line(words))
            case [self._number, _, str(words), *_]:
                raise NoAnswer(f"{self._driver} failed: {one_line(words)}")
        raise self._failed(f"it answered {answer!r:.100}")

    def close(self) -> None:
        self._over = self._over or "nothing is asked any more"
        self._socket.close()
        spawn.kill(self._process)
        self._process.wait()
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._log()
            self._process.stdout.close()

    def _exchange(self, question: bytes) -> list[object]:
        deadline = time.monotonic() + PATIENCE_S
        self._socket.settimeout(PATIENCE_S)
        self._socket.sendall(question)
        while (answer := self._decoder.next_message()) is NEED_DATA:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self._socket.recv(CHUNK)
            if not data:
                raise OSError(spawn.ending(self._process.wait(PATIENCE_S), self._memory_bytes))
            self._decoder.receive_data(data)
        return answer

    def _failed(self, cause: str) -> NoAnswer:
        self._over = f"{self._driver} failed: {cause}"
        self.close()
        return NoAnswer(self._over)

    def _log(self) -> None:
        for line in self._output.lines(spawn.drain(self._process), time.monotonic()):
            log.info("%s: %s", self._driver, line)
