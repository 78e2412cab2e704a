"""Store-and-forward on SQLite: the only disk the data path touches (docs/spool.md)."""

from agent.spool.errors import DiskRefused, SpoolInUse, SpoolRefused
from agent.spool.records import CommandRecord, Counters, Freed, Row, Snapshot, Want
from agent.spool.spool import Spool

__all__ = [
    "CommandRecord",
    "Counters",
    "DiskRefused",
    "Freed",
    "Row",
    "Snapshot",
    "Spool",
    "SpoolInUse",
    "SpoolRefused",
    "Want",
]
