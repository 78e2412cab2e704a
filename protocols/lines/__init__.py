"""Devices that speak in lines of text, by a declared pattern (docs/protocols/lines.md).

`reader` cuts a byte stream into lines, `pattern` takes values out of one line and puts them into one, `nmea` adds the
addresses and checksums of NMEA 0183.
"""
