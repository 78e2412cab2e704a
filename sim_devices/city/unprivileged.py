"""Running a server that refuses root, when all we have is root (a container, a build machine).

A user namespace is preferred: the files stay ours and nothing needs to be handed over. Where it is forbidden, the
account `nobody` runs the server and owns its folder.
"""

import functools
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from sim_devices.city.program import StartFailed

NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


class Means(NamedTuple):
    """What to put before the command line, and the (uid, gid) to start it as."""

    prefix: tuple[str, ...]
    account: tuple[int, int] | None


def means() -> Means:
    """How a program is run without root here; nothing to do for whoever is not root."""
    if os.geteuid() != 0:
        return Means((), None)
    if _namespaces_work():
        return Means(NAMESPACE, None)
    nobody = pwd.getpwnam("nobody")
    return Means((), (nobody.pw_uid, nobody.pw_gid))


@functools.cache
def _namespaces_work() -> bool:
    if shutil.which("unshare") is None:
        return False
    # The probe is the very thing that is needed: old versions lack the option, containers lack the right.
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def give(path: Path, account: tuple[int, int] | None) -> None:
    """Makes `account` the owner of `path` alone. Raises StartFailed where that account cannot reach it."""
    if account is None:
        return
    for parent in path.resolve().parents:
        if not parent.stat().st_mode & 0o001 and parent.stat().st_uid != account[0]:
            raise StartFailed(
                f"root must be dropped, but the account nobody may not enter {parent}: "
                f"run as an ordinary user, or put the folder where others may enter"
            )
    os.chown(path, *account, follow_symlinks=False)


def hand_over(path: Path, account: tuple[int, int] | None) -> None:
    """Gives `path` and all below it to `account`."""
    give(path, account)
    if account is not None:
        for inner in path.rglob("*"):
            os.chown(inner, *account, follow_symlinks=False)
