"""DL/T 645 meters: data by identifier, alone and in blocks, and what a client may ask of them."""
