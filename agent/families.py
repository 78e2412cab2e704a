"""The driver families that a configuration may use: our own, and those of other distributions that it allows.

Nothing of drivers.outside is imported unless one is allowed or asked for by mistake: a gateway without pays nothing.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from agent.settings import DriversConfig
from agent.toml import Table

if TYPE_CHECKING:
    from drivers.base import Family, ReportingFamily
    from drivers.outside.family import OutsideFamily

    AnyFamily: TypeAlias = Family | ReportingFamily

NAME = re.compile("[a-z0-9][a-z0-9-]{0,39}")


class Families:
    """Reads [drivers], which `table` is. `outsiders` are those that a bus uses; each answers for itself until close().

    Without a `catalog` no family is known and none is looked for.
    """

    def __init__(self, table: Table, catalog: "Mapping[str, AnyFamily] | None") -> None:
        self.outsiders: dict[str, OutsideFamily] = {}
        self._catalog = catalog
        self._refused: set[str] = set()  # told already, each once
        self.config = DriversConfig(
            allow=table.texts("allow"),
            memory_mb=table.integer("memory_mb", 128, low=64, high=4096),
            reload=table.boolean("reload", False),
        )
        table.done()
        self._table = table
        for name in self.config.allow:
            self._check(name)

    def choose(self, table: Table) -> "tuple[str, AnyFamily | None]":
        """The family that the key `driver` names; None where it is not known, which `table` complains of."""
        driver = table.text("driver")
        if self._catalog is None or not driver or driver in self._catalog:
            return driver, self.get(driver)
        if driver in self.config.allow:
            if driver not in self.outsiders and driver not in self._refused:
                self._load(table, driver)
        elif offer := _offer(driver):
            allow = ", ".join(f'"{name}"' for name in (*self.config.allow, driver))
            table.complain("driver", f"{offer} is installed but not allowed; add below [drivers]: allow = [{allow}]")
        else:
            table.choice("driver", (*self._catalog, *self.config.allow))
        return driver, self.get(driver)

    def get(self, driver: str) -> "AnyFamily | None":
        return self.outsiders.get(driver) or (self._catalog or {}).get(driver)

    def close(self) -> None:
        for family in self.outsiders.values():
            family.close()

    def _check(self, name: str) -> None:
        if NAME.fullmatch(name) is None:
            problem = f"{name!r} is no driver's name: those are of small letters, digits and hyphens"
        elif self._catalog is None:
            return
        elif name in self._catalog:
            problem = f"{name!r} is a driver of hutong's own; nobody else's may have its name"
        elif self.config.allow.count(name) > 1:
            problem = f"{name!r} stands twice"
        else:
            from drivers.outside.installed import NotUsable, find

            try:
                find(name)
                return
            except NotUsable as error:
                problem = str(error)
        if name not in self._refused:
            self._table.complain("allow", problem)
        self._refused.add(name)

    def _load(self, table: Table, driver: str) -> None:
        from drivers.outside.family import OutsideFamily
        from drivers.outside.installed import find

        try:
            self.outsiders[driver] = OutsideFamily(find(driver), self.config.memory_bytes)
        except (OSError, ValueError) as error:
            table.complain("driver", str(error))
            self._refused.add(driver)


def _offer(driver: str) -> str:
    """The distribution that offers a driver of this name, if one does; "" otherwise."""
    if NAME.fullmatch(driver) is None:
        return ""
    from drivers.outside.installed import offers

    return str(next(iter(offers(driver)), ""))
