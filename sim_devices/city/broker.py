"""An MQTT 5 broker of our own on a loopback port: mosquitto if it is on the machine, else the iotcore wheel.

    with broker.start(Path("var/city/broker"), {"hutong-ingest": password}) as running:
        connect(running.host, running.port)

Both ask for a name and a password. mosquitto also keeps each gateway to its own topics; iotcore has no such lists,
which is one reason why the broker is never trusted: messages carry seals of their own (docs/protocols).
"""

import base64
import functools
import hashlib
import importlib.util
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sim_devices.city import unprivileged
from sim_devices.city.private import keep_port, private_folder, write_private
from sim_devices.city.program import Process, Program, StartFailed

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
INGEST = "hutong-ingest"
MAX_PACKET = 4 << 20  # a birth of a large gateway is some 100 KB; a batch is far below
# mosquitto 2 hashes with PBKDF2-HMAC-SHA512 (password_mosq.h). Our passwords are random, so few rounds are enough.
HASH_ROUNDS = 101

MOSQUITTO_CONF = """\
listener {port} {host}
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
persistence false
max_packet_size {max_packet}
max_inflight_messages 200
max_queued_messages 10000
set_tcp_nodelay true
user root
log_dest stderr
log_type error
log_type warning
log_type notice
"""
# `user` counts for root alone. Where root could not be dropped it is at least kept: the account that mosquitto would
# change to may not read files of mode 0600.

MOSQUITTO_ACL = f"""\
user {INGEST}
topic readwrite hutong/1/#

pattern write hutong/1/%u/birth
pattern write hutong/1/%u/data
pattern write hutong/1/%u/burst
pattern write hutong/1/%u/event
pattern write hutong/1/%u/state
pattern read hutong/1/%u/cmd
pattern read hutong/1/%u/ack
"""

IOTCORE_CONF = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 4

[v5.1]
name = "v5"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {max_packet}
max_inflight_count = 200
dynamic_filters = true

[v5.1.connections.auth]
{users}
"""


@dataclass
class Broker:
    host: str
    port: int
    kind: str
    folder: Path
    process: Process

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    def set_users(self, users: Mapping[str, str]) -> None:
        """Lets exactly these in from now on. mosquitto reads the new list; iotcore has to start again."""
        if self.kind == "mosquitto":
            _write_passwords(self.folder, users)
            self.process.send(signal.SIGHUP)
            return
        self.process.stop()
        prepared = prepare(self.folder, users, prefer=self.kind)
        self.port = prepared.port
        self.process = Process(prepared.program).wait_ready()

    def stop(self) -> None:
        self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Prepared:
    """A broker that could be started: a supervisor starts `program` itself."""

    host: str
    port: int
    kind: str
    program: Program


def start(folder: Path, users: Mapping[str, str], *, prefer: str | None = None) -> Broker:
    """Starts a broker that lets `users` (name to password) in, and waits until it answers. Raises StartFailed."""
    prepared = prepare(folder, users, prefer=prefer)
    process = Process(prepared.program).wait_ready()
    return Broker(prepared.host, prepared.port, prepared.kind, folder.resolve(), process)


def prepare(folder: Path, users: Mapping[str, str], *, prefer: str | None = None) -> Prepared:
    """Writes the configuration. `prefer` is "mosquitto" or "iotcore"; else the first that is here."""
    folder = folder.resolve()
    private_folder(folder)
    kinds = available()
    kind = prefer or next(iter(kinds), None)
    if kind is None or kind not in kinds:
        raise StartFailed(
            f"no {prefer or 'MQTT broker'} here (found: {', '.join(kinds) or 'none'}); "
            f"install mosquitto 2, or the package iotcore (extra hutong[city])"
        )
    port = keep_port(folder / "ports.json", "broker")
    make = _mosquitto if kind == "mosquitto" else _iotcore
    program = make(folder, port, users)
    log.info("broker: %s on %s:%d", kind, HOST, port)
    return Prepared(HOST, port, kind, program)


@functools.cache
def available() -> tuple[str, ...]:
    """The brokers that could be started here, the better first."""
    found: list[str] = []
    if _mosquitto_version() >= (2, 0):
        found.append("mosquitto")
    if importlib.util.find_spec("iotcore") is not None:
        found.append("iotcore")
    return tuple(found)


def _find_mosquitto() -> str | None:
    # Debian puts it where only root's PATH looks.
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


def _mosquitto_version() -> tuple[int, ...]:
    program = _find_mosquitto()
    if program is None:
        return ()
    shown = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"mosquitto version (\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else ()


def _mosquitto(folder: Path, port: int, users: Mapping[str, str]) -> Program:
    means = unprivileged.means()
    config = MOSQUITTO_CONF.format(host=HOST, port=port, folder=folder, max_packet=MAX_PACKET)
    write_private(folder / "mosquitto.conf", config)
    write_private(folder / "acl", MOSQUITTO_ACL)
    _write_passwords(folder, users)
    program = _find_mosquitto() or "mosquitto"
    return Program(
        name="broker",
        argv=(*means.prefix, program, "-c", str(folder / "mosquitto.conf")),
        log=folder / "broker.log",
        ready=lambda _pid: _answers(port),
    )


def _iotcore(folder: Path, port: int, users: Mapping[str, str]) -> Program:
    # JSON strings are TOML basic strings, for the characters a password may have.
    listed = "\n".join(f"{json.dumps(name)} = {json.dumps(password)}" for name, password in users.items())
    config = IOTCORE_CONF.format(host=HOST, port=port, max_packet=MAX_PACKET, users=listed)
    config_path = str(write_private(folder / "rumqttd.toml", config))
    return Program(
        name="broker",
        # It logs every packet it routes as an error.
        argv=(sys.executable, "-P", "-m", "iotcore", "--config", config_path, "--log-level", "CRITICAL"),
        log=folder / "broker.log",
        ready=lambda _pid: _answers(port),
        patience_s=15.0,
    )


def _write_passwords(folder: Path, users: Mapping[str, str]) -> None:
    lines = [f"{name}:{mosquitto_hash(password, os.urandom(12))}" for name, password in users.items()]
    write_private(folder / "passwords", "\n".join(lines) + "\n")


def mosquitto_hash(password: str, salt: bytes) -> str:
    """A line's second field as mosquitto_passwd writes it: $7$rounds$salt$hash."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS, 64)
    return f"$7${HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=0.5):
            return True
    except OSError:
        return False
