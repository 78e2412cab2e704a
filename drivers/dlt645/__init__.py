"""Electricity meters of DL/T 645-2007 on a serial line, or on one behind a terminal server."""
