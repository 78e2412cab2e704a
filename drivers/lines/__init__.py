"""Devices that speak in lines of text, asked or of themselves (docs/protocols/lines.md)."""
