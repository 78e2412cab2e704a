"""Modbus devices on TCP, on a serial line, and with RTU frames inside a TCP stream."""
