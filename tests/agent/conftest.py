"""What the tests of the agent share: a whole configuration, and a Modbus TCP server written for them alone."""

import asyncio
import copy
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.agent.uplink.peers import City

GATEWAY = "D1101149001000077A"


class Peer:
    """A Modbus TCP server over a real socket: registers by unit and table, and faults by unit.

    `silent` units never answer, nor do those in `deaf` to the functions there; `absent` maps a unit to input registers
    it refuses with exception 2.
    """

    def __init__(self) -> None:
        self.input: dict[int, dict[int, int]] = {}
        self.holding: dict[int, dict[int, int]] = {}
        self.coils: dict[int, dict[int, int]] = {}
        self.silent: set[int] = set()
        self.deaf: dict[int, set[int]] = {}
        self.absent: dict[int, set[int]] = {}
        self.requests: list[tuple[int, int, int, int]] = []  # unit, function, address, count or value
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()
            self._server = None

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                pdu = await reader.readexactly(length - 1)
                answer = self._answer(unit, pdu)
                if answer is not None:
                    writer.write(struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, unit: int, pdu: bytes) -> bytes | None:
        function, address, count = struct.unpack(">BHH", pdu[:5])
        self.requests.append((unit, function, address, count))
        if unit in self.silent or function in self.deaf.get(unit, ()):
            return None
        if function in (3, 4):
            table = (self.holding if function == 3 else self.input).get(unit, {})
            if function == 4 and self.absent.get(unit, set()) & set(range(address, address + count)):
                return bytes([0x80 | function, 2])
            words = [table.get(at, 0) for at in range(address, address + count)]
            return struct.pack(f">BB{count}H", function, 2 * count, *words)
        if function in (1, 2):
            bits = self.coils.get(unit, {}) if function == 1 else {}
            number = sum((bits.get(address + at, 0) & 1) << at for at in range(count))
            data = number.to_bytes((count + 7) // 8, "little")
            return bytes([function, len(data)]) + data
        if function == 6:
            self.holding.setdefault(unit, {})[address] = count
            return pdu
        if function == 5:
            self.coils.setdefault(unit, {})[address] = count == 0xFF00
            return pdu
        return bytes([0x80 | function, 1])


@pytest.fixture(autouse=True)
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spools of these tests begin small: to set megabytes aside hundreds of times takes longer than the tests."""
    monkeypatch.setattr("agent.spool.room.LOG_BYTES", 0)
    monkeypatch.setattr("agent.spool.store.FILE_BYTES", 0)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    server = Peer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[City]":
    """A broker that runs."""
    from tests.agent.uplink.peers import City  # with cryptography, which most tests do without

    broker = City(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


class Until:
    """Waits for a condition with a deadline, and gives what it gave: `await until(lambda: bus.is_open)`."""

    async def __call__(self, condition: Callable[[], Any], seconds: float = 10.0) -> Any:
        async with asyncio.timeout(seconds):
            while True:
                value = condition()
                if isawaitable(value):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(0.005)


@pytest.fixture
def until() -> Until:
    return Until()


TEMPLATE = """\
[gateway]
code = "{gateway}"
data_dir = "data"

[uplink]
broker = "mqtt://127.0.0.1:{broker}"
password_file = "password"
key_file = "key"

[metrics]
port = 0

[[bus]]
name = "street"
driver = "modbus-tcp"
address = "{address}"
timeout_s = 0.3
"""
DEVICE = """
[[bus.device]]
code = "{code}"
name = "Meter {unit}"
model = "meter_1p"
unit = {unit}
period_s = {period_s}
"""


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a gateway's file and secrets; returns the file's path."""
    from protocols import citycode

    def write(
        address: str = "127.0.0.1:1",
        devices: int = 2,
        broker: int = 1,
        period_s: float = 0.1,
        more: str = "",
        key: bytes = b"\xab" * 32,
        password: str = "secret",  # noqa: S107
    ) -> Path:
        for name, secret in (("password", f"{password}\n"), ("key", f"{key.hex()}\n")):
            (tmp_path / name).write_text(secret)
            (tmp_path / name).chmod(0o600)
        text = TEMPLATE.format(gateway=GATEWAY, address=address, broker=broker)
        for unit in range(1, devices + 1):
            code = citycode.mint("D", f"110114900100{unit:04d}").text
            text += DEVICE.format(code=code, unit=unit, period_s=period_s)
        path = tmp_path / "gateway.toml"
        path.write_text(text + more, "utf-8")
        return path

    return write


REPORT: dict[str, Any] = {
    "gateway": "D1101149001000077A",
    "version": "0.1.0",
    "pid": 1,
    "utc_ms": 1_800_000_000_000,
    "uptime_ms": 7_300_000,
    "clock": {"state": "free_running", "bound_ms": 120, "steps": 0},
    "uplink": {
        "broker": "mqtt://127.0.0.1:1883",
        "connected": True,
        "since_ms": 1_799_999_940_000,
        "fault": "",
        "connects": 1,
        "sent": 10,
        "sent_bytes": 4000,
        "resent": 0,
        "acknowledged": 9,
        "commands": 0,
        "refused": {"digest": 2},
        "links": [
            {
                "name": "uplink",
                "broker": "mqtt://127.0.0.1:1883",
                "kind": "ethernet",
                "in_use": True,
                "sent_today": 5000,
                "received_today": 600,
                "budget": None,
                "sent": 5000,
                "received": 600,
            }
        ],
    },
    "spool": {
        "incarnation": "00000000000000ff",
        "rows": 3,
        "bytes": 5_242_880,
        "quota": 536_870_912,
        "first_kept": 8,
        "next_seq": 11,
        "oldest_ms": 1_799_999_992_500,
        "dropped": 0,
        "refuses": None,
        "counters": {"commits": 4},
    },
    "configuration": {
        "number": 4,
        "hash": "0123456789abcdef" * 4,
        "good": 3,
        "trial_left_s": 41.5,
        "confirmed": False,
        "refused": {"number": 2, "hash": "ab" * 32, "reason": "no answer from Meter", "utc_ms": 1_799_999_940_000},
    },
    "pipeline": {"readings": 100, "values": 90},
    "commands": {"done": 1, "refused": 2},
    "captures": {"kept": 3},
    "rules": [],
    "models": [],
    "drivers": [],
    "buses": [
        {
            "name": "pole-line",
            "driver": "modbus-rtu",
            "address": "/dev/ttyUSB0",
            "open": True,
            "fault": "",
            "utilisation": 0.427,
            "opened": 1,
            "requests": 50,
            "writes": 1,
            "repeats": 0,
            "strangers": 0,
            "nonsense": 0,
            "devices": [
                {
                    "code": "D1101149001000101X",
                    "name": "路灯 1",
                    "model": "lamp_controller",
                    "unit": 1,
                    "period_ms": 1000,
                    "reachable": True,
                    "since_ms": 1_799_990_000_000,
                    "fault": "",
                    "age_ms": 650,
                    "last_good_ms": 1_799_999_999_350,
                    "latency_ms": {"p50": 21.5, "p95": 40.0, "p99": 83.2, "answers": 20},
                    "error_rate": 0.15,
                    "polls": 20,
                    "values": 160,
                    "missed": 2,
                    "errors": {"timeout": 3},
                },
                {
                    "code": "D1101149001000102W",
                    "name": "Meter",
                    "model": "meter_1p",
                    "unit": 12,
                    "period_ms": 1000,
                    "reachable": False,
                    "since_ms": 1_799_999_700_000,
                    "fault": "no answer within 0.5 s",
                    "age_ms": None,
                    "last_good_ms": None,
                    "latency_ms": None,
                    "error_rate": 0.0,
                    "polls": 3,
                    "values": 0,
                    "missed": 0,
                    "errors": {},
                },
            ],
        },
        {
            "name": "tunnel",
            "driver": "modbus-tcp",
            "address": "10.0.0.1:502",
            "open": False,
            "fault": "no connection",
            "utilisation": 0.0,
            "opened": 0,
            "repeats": 0,
            "strangers": 0,
            "nonsense": 0,
            "requests": 0,
            "writes": 0,
            "devices": [],
        },
    ],
}


@pytest.fixture
def report() -> dict[str, Any]:
    """A report such as a gateway gives of itself, with one of everything."""
    return copy.deepcopy(REPORT)
