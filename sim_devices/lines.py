"""The protocols a simulated line may speak, by the name that a configuration gives them."""

from sim_devices.conversation import LineProtocol
from sim_devices.modbus import session as modbus

BUILTIN: dict[str, LineProtocol] = {
    "modbus": modbus.PROTOCOL,
}
