"""Which configurations this gateway has had: the last good one with its text, the one on trial, the one refused.

One small JSON file in the data directory, exchanged whole and synced: a power cut leaves the old or the new one.
"""

import json
import logging
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.configuration.versions import Version

log = logging.getLogger(__name__)

NAME = "configuration.json"
INTERRUPTED = "the gateway ended before its trial did"


@dataclass(frozen=True)
class Refused:
    """`version` is None for a file that could not even be read."""

    version: Version | None
    reason: str
    utc_ms: int


@dataclass(frozen=True)
class Asked:
    """What came of the configuration that the server desired under that number, until the spool has it."""

    number: int
    status: str
    detail: str
    lines: str = ""


@dataclass(frozen=True)
class Record:
    """`text` is the good configuration's TOML. `desired` is the highest number of those that the server desired.

    `installing` is the hash of what the gateway's file holds while `text` is about to take its place; `told` says which
    text the server was told.
    """

    good: Version | None = None
    text: str = ""
    trial: Version | None = None
    refused: Refused | None = None
    last: int = 0  # number given
    desired: int = 0
    asked: Asked | None = None
    installing: str = ""
    told: str = ""

    def number(self, hash_: str) -> "tuple[Record, Version]":
        """The version of a content: that of the good, trial or refused one if it is the same, else a new one."""
        known = (self.good, self.trial, self.refused and self.refused.version)
        found = next((one for one in known if one and one.hash == hash_), None)
        if found is not None:
            return self, found
        return replace(self, last=self.last + 1), Version(self.last + 1, hash_)

    def distrusts(self, hash_: str) -> bool:
        """Whether a start must not take this content: it failed, or was cut off, and there is a good one instead."""
        if self.good is None or self.good.hash == hash_:
            return False
        return any(one and one.hash == hash_ for one in (self.trial, self.refused and self.refused.version))

    def started(self, hash_: str, text: str, utc_ms: int) -> "Record":
        """Whoever starts a gateway with a file has decided for it: it is good. What was on trial before is refused."""
        record = self
        if self.trial is not None:
            record = replace(self, trial=None, refused=Refused(self.trial, INTERRUPTED, utc_ms))
        record, version = record.number(hash_)
        forgiven = record.refused if record.refused is None or record.refused.version != version else None
        return replace(record, good=version, text=text, refused=forgiven)


class Store:
    """Raises OSError where the disk does not take a record: a change that could not be undone is not begun."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / NAME
        self.record = self._read()

    def keep(self, record: Record) -> None:
        if record == self.record:
            return
        beside = self._path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(asdict(record), file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.record = record

    def _read(self) -> Record:
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            refused = kept["refused"]
            if refused is not None:
                refused = Refused(_version(refused["version"]), str(refused["reason"]), int(refused["utc_ms"]))
            asked = kept.get("asked")  # the remote half is younger than the file
            return Record(
                *(_version(kept["good"]), str(kept["text"]), _version(kept["trial"]), refused, int(kept["last"])),
                desired=int(kept.get("desired", 0)),
                asked=None if asked is None else Asked(**asked),
                installing=str(kept.get("installing", "")),
                told=str(kept.get("told", "")),
            )
        except FileNotFoundError:
            return Record()
        except (OSError, ValueError, TypeError, LookupError) as error:
            log.warning("%s: cannot be read, so no earlier configuration is known: %s", self._path, error)
            return Record()


def _version(kept: Any) -> Version | None:
    """asdict keeps a NamedTuple, which JSON writes as an array."""
    return None if kept is None else Version(int(kept[0]), str(kept[1]))
