"""The MQTT session: birth, data, state up; acknowledgements and commands down."""

from agent.uplink.broker import Broker, parse_broker
from agent.uplink.policy import KINDS, Policy
from agent.uplink.session import Counters
from agent.uplink.uplink import Uplink, Way

__all__ = ["KINDS", "Broker", "Counters", "Policy", "Uplink", "Way", "parse_broker"]
