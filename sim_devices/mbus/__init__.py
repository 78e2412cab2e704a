"""Slaves on an M-Bus: telegrams of records, selection, and the frame count bit."""
