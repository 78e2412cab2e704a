"""A measured figure beside its peer, the table people read and the file machines read."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """`peer` was measured in the same run, on the same load; `goal` says in words what `holds` decides."""

    id: str
    value: float
    unit: str
    peer: float | None
    goal: str
    holds: bool
    peer_is: str = ""

    @property
    def ratio(self) -> str:
        return f"{self.value / self.peer:.2f}" if self.peer else "-"


def table(figures: Sequence[Figure]) -> str:
    rows = [("figure", "value", "unit", "peer", "ratio", "goal", "holds", "the peer")]
    for f in figures:
        peer = f"{f.peer:.3g}" if f.peer is not None else "-"
        rows.append((f.id, f"{f.value:.3g}", f.unit, peer, f.ratio, f.goal, "yes" if f.holds else "NO", f.peer_is))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def write(figures: Sequence[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for figure in figures:
        row = asdict(figure)
        row.pop("peer_is")
        rows.append(row)
    path.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
