"""CJ/T 188 meters: one record each, and what a client may ask of them."""
