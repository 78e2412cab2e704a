"""The demonstration block: every program of it started as a process of its own, below one folder, without root."""
