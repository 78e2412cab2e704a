"""The gateway a capable developer writes in an afternoon from the same libraries: pymodbus, JSON, aiomqtt at QoS 1.

    python -m tests.benchmarks.peer_gateway PORTS_FILE HZ REGISTERS DEVICES BROKER_PORT USER PASSWORD COUNTS_FILE

No filters, no spool, no seals, no exactly-once: what those cost is the difference that the benchmark shows. COUNTS_FILE
holds {values, bytes} of what the broker has confirmed, each half second.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import aiomqtt
from pymodbus.client import AsyncModbusTcpClient

from tests.benchmarks.acknowledger import tell as write_counts

PUBLISH_BYTES = 8  # fixed header, length of the topic, packet identifier, no properties
COUNT_EVERY_S = 0.5


async def poll(port: int, hz: float, registers: int, mqtt: aiomqtt.Client, counts: dict[str, int]) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    period, topic = 1 / hz, f"peer/{port}/telemetry"
    due = time.monotonic()
    while True:
        due += period
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        answer = await client.read_input_registers(0, count=registers, device_id=1)
        values = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
        assert isinstance(values, list)
        body = json.dumps(
            {"ts": time.time_ns() // 1_000_000, "values": {f"v{i}": value for i, value in enumerate(values)}}
        )
        await mqtt.publish(topic, body, qos=1)
        counts["values"] += len(values)
        counts["bytes"] += len(body) + len(topic) + PUBLISH_BYTES


async def tell(counts: dict[str, int], path: Path) -> None:
    while True:
        write_counts(counts, path)
        await asyncio.sleep(COUNT_EVERY_S)


async def main(
    ports: list[int], hz: float, registers: int, broker: int, user: str, password: str, counts_file: Path
) -> None:
    logging.getLogger("mqtt").setLevel(logging.ERROR)
    counts = {"values": 0, "bytes": 0}
    async with (
        aiomqtt.Client(
            "127.0.0.1", broker, username=user, password=password, protocol=aiomqtt.ProtocolVersion.V5
        ) as mqtt,
        asyncio.TaskGroup() as tasks,
    ):
        mqtt.pending_calls_threshold = 100_000
        tasks.create_task(tell(counts, counts_file))
        for port in ports:
            tasks.create_task(poll(port, hz, registers, mqtt, counts))


if __name__ == "__main__":
    listed, rate, words, devices, to, who, secret, told = sys.argv[1:]
    known = json.loads(Path(listed).read_text("ascii"))[: int(devices)]
    asyncio.run(main(known, float(rate), int(words), int(to), who, secret, Path(told)))
