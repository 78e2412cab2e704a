"""NB-IoT modules at a serial port: their link as readings, their sockets for whoever needs the network.

`modem.Modem` owns a module; `line.ModemLine` reads its figures as a driver does. docs/protocols/nbiot.md.
"""
