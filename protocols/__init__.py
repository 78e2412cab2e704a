"""Bytes to frozen frames and back, without input or output: no sockets, clocks or logs in here."""
