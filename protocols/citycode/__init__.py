"""City codes: what names a lamp, a gateway, an area or a person, and the grid cells that say where things are.

`parse` and `mint` are all that most callers need; `geosot` and `beidou` are the cells, `check` the check characters.
docs/protocols/citycode.md is the specification.
"""

from protocols.citycode.code import (
    RETIRED_DIVISIONS,
    CityCode,
    CodeError,
    Kind,
    from_binary,
    from_uri,
    mint,
    mint_person,
    parse,
)

__all__ = [
    "RETIRED_DIVISIONS",
    "CityCode",
    "CodeError",
    "Kind",
    "from_binary",
    "from_uri",
    "mint",
    "mint_person",
    "parse",
]
