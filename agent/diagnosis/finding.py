"""What the line doctor says."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Confidence(StrEnum):
    CERTAIN = "certain"  # it was seen itself
    LIKELY = "likely"  # what was seen has hardly another cause
    POSSIBLE = "possible"  # what was seen has other causes too, which are named


@dataclass(frozen=True)
class Finding:
    """`cause` is a word for programs. `devices` are codes; none where it is the whole line."""

    cause: str
    title: str
    confidence: Confidence
    evidence: tuple[str, ...]
    advice: tuple[str, ...]
    devices: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "cause": self.cause,
            "title": self.title,
            "confidence": str(self.confidence),
            "evidence": list(self.evidence),
            "advice": list(self.advice),
            "devices": list(self.devices),
        }


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def shown(data: bytes, most: int = 24) -> str:
    return data[:most].hex(" ") + (" ..." if len(data) > most else "")
