"""What becomes of a file that cannot be trusted any more."""

from pathlib import Path

KEPT_ASIDE = 2  # damaged files kept for whoever wants to look: the disk is small


def move_aside(path: Path) -> Path:
    """Renames the file, with its log, to a name that is free; removes older ones. Returns the new name."""
    number = max((_number(old) for old in path.parent.glob(f"{path.name}.damaged-*")), default=0) + 1
    aside = path.with_name(f"{path.name}.damaged-{number}")
    for suffix in ("-wal", "-shm", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    path.rename(aside)
    for old in path.parent.glob(f"{path.name}.damaged-*"):
        if _number(old) <= number - KEPT_ASIDE:
            old.unlink()
    return aside


def _number(path: Path) -> int:
    digits = path.name.rpartition(".damaged-")[2].partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
