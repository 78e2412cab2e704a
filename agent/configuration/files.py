"""The gateway's own file, exchanged for a text that came over the network: whole, synced, and the old one kept."""

import os
import stat
from pathlib import Path


def stage(path: Path, text: str) -> None:
    """Puts `text` beside the file, so that taking it later needs no room and no right that is not there now. Raises
    OSError."""
    path = path.resolve()
    _write(_staged(path), text.encode(), stat.S_IMODE(path.stat().st_mode))


def exchange(path: Path) -> None:
    """What was staged is the file from now on; what was the file is called ….before. Raises OSError."""
    path = path.resolve()
    _write(_beside(path, ".before"), path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    _staged(path).replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def discard(path: Path) -> None:
    """Nothing is staged from now on. Raises OSError."""
    _staged(path.resolve()).unlink(missing_ok=True)


def _staged(path: Path) -> Path:
    return _beside(path, ".desired")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
