"""Simulated kinds of device; `catalog` lists them."""
