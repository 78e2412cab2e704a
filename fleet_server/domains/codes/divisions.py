"""Beijing's divisions by statistical code, and those that went before."""

from dataclasses import dataclass
from functools import cache

from fleet_server.kernel.divisions import by_code
from protocols.citycode import RETIRED_DIVISIONS

_RETIRED = {
    "110103": "崇文区",  # merged into 东城区 in 2010
    "110104": "宣武区",  # merged into 西城区 in 2010
    "110110": "燕山区",  # merged into 房山区 in 1986
    "110228": "密云县",  # a district, 110118, since 2015
    "110229": "延庆县",  # a district, 110119, since 2015
}
assert set(_RETIRED) == RETIRED_DIVISIONS  # noqa: S101


@dataclass(frozen=True)
class Division:
    """`names` run from the city down to the division itself."""

    code: str
    names: tuple[str, ...]
    retired: bool

    @property
    def name(self) -> str:
        return "".join(self.names)


@cache
def _table() -> dict[str, str]:
    return by_code() | _RETIRED


def find(code: str) -> Division | None:
    """The finest division that is known of the 6 to 15 digits of a body; None outside Beijing."""
    known = [code[:length] for length in (2, 6, 9) if len(code) >= length and code[:length] in _table()]
    if not known or len(known[-1]) == 2:
        return None
    names = tuple(_table()[part] for part in known)
    return Division(known[-1], names, known[-1][:6] in RETIRED_DIVISIONS)


def is_district(code: str) -> bool:
    """Whether codes are minted in it."""
    return len(code) == 6 and code in _table() and code not in RETIRED_DIVISIONS
