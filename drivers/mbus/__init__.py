"""Meters on an M-Bus, behind a level converter on a serial line or behind a terminal server."""
