"""Serial adapters by what they are, not by the number the kernel gave them: /dev/ttyUSB0 may come back as ttyUSB1.

udev keeps links to each adapter, by the socket it is plugged into and by its own name. Cheap adapters share one name,
so the socket goes first, and a name that now leads to a socket in which another adapter stood is that one's. No udev,
no links: then the configured path is all there is.
"""

from pathlib import Path

LINKS = (Path("/dev/serial/by-path"), Path("/dev/serial/by-id"))
REPLACED_S = 60.0  # so long another adapter at the configured path is not taken for the lost one's replacement


def links_to(path: Path) -> tuple[Path, ...]:
    """The links that name what stands at `path`, the surest first; none if it is one of them itself."""
    if path.is_symlink():
        return ()
    there = path.resolve()
    return tuple(
        link for folder in LINKS if folder.is_dir() for link in sorted(folder.iterdir()) if link.resolve() == there
    )


class Identity:
    """Of the adapter that was opened at `path` last."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._links: tuple[Path, ...] = ()
        self._neighbours: frozenset[Path] = frozenset()  # the sockets of others, when it was last there
        self._seen_at = 0.0

    def find(self, now: float) -> str:
        """What to open, at `now` seconds of any clock. Raises FileNotFoundError while the adapter is away and another
        one stands in its place."""
        for link in self._links:
            if link.exists() and self._neighbours.isdisjoint(links_to(link.resolve())):
                return str(link)
        if self._links and now < self._seen_at + REPLACED_S and links_to(self._path):
            raise FileNotFoundError(f"another adapter than {self._links[0].name} is there")
        return str(self._path)

    def opened(self, now: float) -> None:
        """What find() gave was opened."""
        self._seen_at = now
        if not any(link.exists() for link in self._links):
            self._links = links_to(self._path)
        self._neighbours = self._others()

    def lost(self, now: float) -> None:
        self._seen_at = now
        self._neighbours |= self._others()

    def _others(self) -> frozenset[Path]:
        sockets = LINKS[0]
        return frozenset(sockets.iterdir() if sockets.is_dir() else ()).difference(self._links)
