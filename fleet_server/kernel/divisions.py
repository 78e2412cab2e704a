"""Beijing's districts, sub-districts and towns, as of 2023-06-30.

beijing-divisions-2023.csv is taken from the data set modood/Administrative-divisions-of-China (WTFPL), which has the
statistical codes of the National Bureau of Statistics: 16 districts (GB/T 2260, 6 digits), 349 sub-districts and towns
(9 digits).
"""

import csv
from functools import cache
from importlib.resources import files

from fleet_server.kernel.errors import Invalid
from fleet_server.kernel.principal import CITY, division_path

AS_OF = "2023-06-30"
CITY_CODE, CITY_NAME = "11", "北京市"


@cache
def by_code() -> dict[str, str]:
    """Statistical code -> name."""
    text = files("fleet_server.kernel").joinpath("beijing-divisions-2023.csv").read_text(encoding="utf-8")
    return {CITY_CODE: CITY_NAME} | {row["code"]: row["name"] for row in csv.DictReader(text.splitlines())}


@cache
def by_path() -> dict[str, str]:
    """Path of a scope -> name."""
    return {division_path(code): name for code, name in by_code().items()}


def name_of(path: str) -> str:
    return by_path().get(path, path)


def known_path(division: str) -> str:
    """The path of a division given by its code or its path; Invalid unless it is in the list."""
    try:
        path = division if division.split(".")[0] == CITY else division_path(division)
    except ValueError as error:
        raise Invalid(f"{error}.", fields={"division": "not a division of Beijing"}) from None
    if path not in by_path():
        raise Invalid(f"Beijing has no division {division}.", fields={"division": "not a division of Beijing"})
    return path
