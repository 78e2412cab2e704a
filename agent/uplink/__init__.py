"""The MQTT session: birth, data, state up; acknowledgements and commands down."""

from agent.uplink.broker import Broker, parse_broker
from agent.uplink.session import Counters
from agent.uplink.uplink import Uplink

__all__ = ["Broker", "Counters", "Uplink", "parse_broker"]
