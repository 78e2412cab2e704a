"""The protocols a simulated line may speak, by the name that a configuration gives them."""

from sim_devices.cjt188 import session as cjt188
from sim_devices.coap import pusher as coap
from sim_devices.conversation import LineProtocol
from sim_devices.dlt645 import session as dlt645
from sim_devices.mbus import session as mbus
from sim_devices.modbus import session as modbus
from sim_devices.text import session as text

BUILTIN: dict[str, LineProtocol] = {
    "modbus": modbus.PROTOCOL,
    "dlt645": dlt645.PROTOCOL,
    "cjt188": cjt188.PROTOCOL,
    "mbus": mbus.PROTOCOL,
    "lines": text.PROTOCOL,
    "coap": coap.PROTOCOL,
}
