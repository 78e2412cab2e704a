"""The server's end of the edge contract and nothing behind it: opens each message, acknowledges it, counts.

    python -m tests.benchmarks.acknowledger BROKER_PORT USER PASSWORD KEY_FILE COUNTS_FILE

So that a gateway is measured, and not a database. COUNTS_FILE holds {messages, values, bytes} of the data it got, each
half second; bytes are those of the MQTT PUBLISH packets.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from aiomqtt import Client, ProtocolVersion

from protocols.edge import cose
from protocols.edge.envelope import address_of, open_sealed, parse_topic, seal
from protocols.edge.messages import (
    Acknowledgement,
    AckRange,
    AckStatus,
    Batch,
    Birth,
    Event,
    acknowledgement_digest,
    digest,
    encode,
)

PUBLISH_BYTES = 8  # fixed header, length of the topic, packet identifier, no properties
COUNT_EVERY_S = 0.5


async def main(port: int, user: str, password: str, key: bytes, counts_file: Path) -> None:
    keys = {cose.key_id(key): key}
    counts = {"messages": 0, "values": 0, "bytes": 0}
    told = 0.0
    async with Client("127.0.0.1", port, username=user, password=password, protocol=ProtocolVersion.V5) as client:
        client.pending_calls_threshold = 100_000
        await client.subscribe([(f"hutong/1/+/{leaf}", 1) for leaf in ("birth", "data", "event")])
        tell(counts, counts_file)
        async for message in client.messages:
            topic = str(message.topic)
            address = parse_topic(topic)
            opened = open_sealed(address, message.payload, keys)
            if not isinstance(opened.message, Birth | Batch | Event):
                continue
            origin = opened.message.origin
            value = acknowledgement_digest([digest(opened.payload)])
            ranges = (AckRange(origin.seq, origin.seq, AckStatus.STORED, value),)
            answer = Acknowledgement(origin.gateway, origin.incarnation, ranges, 0)
            back = address_of(answer)
            await client.publish(back.topic, seal(back, encode(answer), key), qos=1)
            if isinstance(opened.message, Batch):
                counts["messages"] += 1
                counts["values"] += sum(
                    int(column.present.sum()) for group in opened.message.groups for column in group.columns
                )
                counts["bytes"] += len(message.payload) + len(topic) + PUBLISH_BYTES
            if time.monotonic() - told > COUNT_EVERY_S:
                told = time.monotonic()
                tell(counts, counts_file)


def tell(counts: Mapping[str, int], path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(counts), "ascii")
    beside.replace(path)


if __name__ == "__main__":
    port, user, password, key_file, counts_file = sys.argv[1:]
    key = bytes.fromhex(Path(key_file).read_text("ascii").strip())
    asyncio.run(main(int(port), user, password, key, Path(counts_file)))
