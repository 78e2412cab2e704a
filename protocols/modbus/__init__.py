"""Modbus without sockets: PDUs, RTU and TCP framing, decoders of byte streams (docs/protocols/modbus.md).

`pdu` holds requests and responses, `rtu` and `tcp` put them on a line. A decoder is fed with `receive_data` and asked
with `next_frame` until that says NEED_DATA.
"""
