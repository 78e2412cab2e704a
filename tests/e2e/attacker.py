"""A broker's full powers in a test's hands: sees every message, and can put any bytes on any topic."""

import threading
import time
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocols.edge.envelope import ROOT


class Attacker:
    def __init__(self, port: int, user: str, password: str) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "attacker", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(user, password)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/#", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._record
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._ready.wait(10), "the attacker could not subscribe"
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def recorded(self, topic: str) -> list[bytes]:
        return [payload for seen, payload in self.seen if seen == topic]

    def wait_for(self, topic: str, count: int, seconds: float = 20) -> list[bytes]:
        deadline = time.monotonic() + seconds
        while len(found := self.recorded(topic)) < count:
            assert time.monotonic() < deadline, f"only {len(found)} of {count} messages on {topic}"
            time.sleep(0.05)
        return found

    def _record(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.seen.append((message.topic, bytes(message.payload)))
