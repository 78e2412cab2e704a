"""Which drivers other distributions offer. Their metadata are read; nothing of them is imported."""

import sys
from dataclasses import dataclass

GROUP = "hutong.drivers"


class NotUsable(LookupError):
    """There is no such driver, or more than one; says what to do."""


@dataclass(frozen=True)
class Installed:
    """`value` is where the family stands: "package.module:NAME"."""

    name: str
    value: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"driver {self.name} ({self.distribution} {self.version})"


def offers(name: str) -> list[Installed]:
    """Every distribution's driver of that name, be it allowed or not."""
    from importlib import metadata  # megabytes, that a gateway without outsiders does not need

    found = []
    for entry in metadata.entry_points(group=GROUP, name=name):
        about = entry.dist
        if about is not None:
            found.append(Installed(name, entry.value, about.metadata["Name"], about.version))
    return found


def find(name: str) -> Installed:
    """Raises NotUsable."""
    found = offers(name)
    if not found:
        raise NotUsable(
            f"no installed distribution offers a driver {name!r} (entry point group {GROUP}); "
            f"install the one that does: {sys.executable} -m pip install DISTRIBUTION"
        )
    if len(found) > 1:
        names = " and ".join(sorted(one.distribution for one in found))
        raise NotUsable(f"{names} both offer a driver {name!r}; uninstall one of them")
    return found[0]
