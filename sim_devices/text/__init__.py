"""Devices that speak in lines of text."""
