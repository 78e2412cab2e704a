"""The gateway a capable developer writes in an afternoon from the same libraries: pymodbus, JSON, aiomqtt at QoS 1.

    python -m tests.benchmarks.peer_gateway PORTS_FILE HZ REGISTERS BROKER_PORT USER PASSWORD

No filters, no spool, no seals, no exactly-once: what those cost is the difference that the benchmark shows.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import aiomqtt
from pymodbus.client import AsyncModbusTcpClient


async def poll(port: int, hz: float, registers: int, mqtt: aiomqtt.Client) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    period = 1 / hz
    due = time.monotonic()
    while True:
        due += period
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        answer = await client.read_input_registers(0, count=registers, device_id=1)
        values = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
        assert isinstance(values, list)
        body = {"ts": time.time_ns() // 1_000_000, "values": {f"v{i}": value for i, value in enumerate(values)}}
        await mqtt.publish(f"peer/{port}/telemetry", json.dumps(body), qos=1)


async def main(ports: list[int], hz: float, registers: int, broker: int, user: str, password: str) -> None:
    logging.getLogger("mqtt").setLevel(logging.ERROR)
    async with (
        aiomqtt.Client(
            "127.0.0.1", broker, username=user, password=password, protocol=aiomqtt.ProtocolVersion.V5
        ) as mqtt,
        asyncio.TaskGroup() as tasks,
    ):
        for port in ports:
            tasks.create_task(poll(port, hz, registers, mqtt))


if __name__ == "__main__":
    ports = json.loads(Path(sys.argv[1]).read_text("ascii"))
    asyncio.run(main(ports, float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6]))
