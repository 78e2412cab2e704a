"""Water, heat and gas meters of CJ/T 188 on a serial line, or on one behind a terminal server."""
