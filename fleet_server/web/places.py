"""What people call a component of the city: a mount's code as its class, in the reader's language, and its number."""

from fleet_server.web.i18n import Translate
from protocols import citycode
from protocols.citycode import CityCode, CodeError, Kind


def component_name(code: str, t: Translate) -> str:
    """ "Lamp pole 3"; "" for what is no code of a component, or one of a class that the catalogue does not name."""
    part = _component(code)
    if part is None:
        return ""
    try:
        return t(f"component.{part.component_class}", n=_number(part))
    except KeyError:
        return ""


def component_order(code: str) -> tuple[str, ...]:
    """Sorts components by class and number, whatever their division; other words stand behind them, in their order."""
    part = _component(code)
    return (code,) if part is None else (part.component_class, f"{_number(part):06d}", code)


def _component(code: str) -> CityCode | None:
    try:
        part = citycode.parse(code)
    except CodeError:
        return None
    return part if part.kind is Kind.COMPONENT else None


def _number(part: CityCode) -> int:
    return int(part.body[-6:])
