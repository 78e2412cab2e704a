"""Simulated NB-IoT modules with their network: AT commands on a pty, sockets that really reach loopback.

`modem.Modem` is a module of one `families.FAMILIES`; `network.Network` is the cell it is in; `port.ModemPort` is the
serial port that a driver opens. What goes wrong is set on the network (coverage, loss, delay) or done to the modem
(`hang`, `reboot`, `brown_out`). The console's words for all of it stand in docs/simulators.md.
"""
