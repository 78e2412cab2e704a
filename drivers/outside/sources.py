"""The files a driver is made of, and whether they have changed."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

MOST = 1000
SUFFIXES = (".py", ".toml", ".so")

Stamp = tuple[int, int]  # mtime in ns and size; (0, -1) for a file that is not there


def of_module(name: str) -> list[Path]:
    """The files of the top package of module `name`, which has been imported: code, templates, extensions."""
    top = sys.modules[name.partition(".")[0]]
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    if not folders:
        return [Path(top.__file__)] if top.__file__ else []
    found = (file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in SUFFIXES)
    return [file for _, file in zip(range(MOST), found, strict=False)]


def stamps(files: Iterable[str]) -> dict[str, Stamp]:
    return {file: _stamp(file) for file in files}


def changed(before: Mapping[str, Stamp]) -> bool:
    return any(_stamp(file) != stamp for file, stamp in before.items())


def _stamp(file: str) -> Stamp:
    try:
        status = Path(file).stat()
    except OSError:
        return 0, -1
    return status.st_mtime_ns, status.st_size
