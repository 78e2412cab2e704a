"""Modbus slaves: register tables, and what a client may ask of them."""
