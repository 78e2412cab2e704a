"""Store-and-forward on SQLite: the only disk the data path touches (docs/spool.md)."""

from agent.spool.spool import Spool
from agent.spool.store import CommandRecord, DiskRefused, Freed, Row, Snapshot, SpoolInUse, SpoolRefused

__all__ = ["CommandRecord", "DiskRefused", "Freed", "Row", "Snapshot", "Spool", "SpoolInUse", "SpoolRefused"]
