"""Simulated devices over real sockets and ptys, with physics and with faults on demand. Imports only protocols."""
