"""What is kept of rules over restarts, in one small file that is written when a rule fires or clears."""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from protocols.rules import Remembered, Rule, rule_hash

log = logging.getLogger(__name__)


class RuleMemory:
    """By hash: a rule that was changed is another one. When it fired last is known only within one boot, whose id is
    kept beside it: after a power cut the pause between two firings begins anew, since the devices may have as well.

    A file that cannot be read or written costs an event that tells a firing twice, or no clearing; the log says so.
    """

    def __init__(self, path: Path, boot: bytes) -> None:
        self._path = path
        self._boot = boot.hex()

    def recall(self, rules: Iterable[Rule]) -> dict[str, Remembered]:
        """By name. A rule that is gone, or another now, is not among them."""
        kept = self._read()
        return {rule.name: kept[key] for rule in rules if (key := rule_hash(rule).hex()) in kept}

    def note(self, states: Iterable[tuple[Rule, Remembered]]) -> None:
        told = {
            rule_hash(rule).hex(): {
                "name": rule.name,
                "active": state.active,
                "fired_ms": state.fired_at,
                "said": state.latches,
            }
            for rule, state in states
            if state.active or state.fired_at is not None
        }
        try:
            beside = self._path.with_suffix(".new")
            with beside.open("w", encoding="utf-8") as file:
                json.dump({"boot": self._boot, "rules": told}, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            log.warning("%s: what rules did is not kept: %s", self._path, error)

    def _read(self) -> Mapping[str, Remembered]:
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            same_boot = kept["boot"] == self._boot
            return {
                str(key): Remembered(
                    bool(one["active"]),
                    _moment(one["fired_ms"]) if same_boot else None,
                    tuple(map(bool, one["said"])),
                )
                for key, one in kept["rules"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s: cannot be read, so rules begin anew: %s", self._path, error)
            return {}


def _moment(value: object) -> int | None:
    if value is not None and type(value) is not int:
        raise TypeError("a moment is a whole number")
    return value
