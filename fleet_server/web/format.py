"""How the console writes numbers, units, ages, sizes and qualities. Pure: `now` is given.

The live script (static/js/format.js) writes the same things the same way; tests hold the two together.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fleet_server.web.i18n import Translate
from protocols.quality import Quality, is_bad, is_uncertain

# SenML and LwM2M units (RFC 8428, 12.1; OMA) that people write otherwise.
UNITS = {
    "Cel": "°C",
    "%RH": "% RH",
    "%LEL": "% LEL",
    "ug/m3": "µg/m³",
    "m3": "m³",
    "deg": "°",
    "1": "",
}
NO_VALUE = "–"
_FIGURES = 5  # of a measured float: more are noise


def unit(code: str) -> str:
    return UNITS.get(code, code)


def number(value: float | Decimal | None, places: int | None = None) -> str:
    """`places` decimal places when known, else five significant figures; thousands are set apart by a thin space."""
    if value is None:
        return NO_VALUE
    text = f"{value:.{places}f}" if places is not None else f"{Decimal(f'{value:.{_FIGURES}g}'):f}"
    return group_digits(text)


def measured(value: float, exact: str, scale: int) -> str:
    """A channel's figure: the exact decimal; `scale` is its decimal exponent, -1 for tenths, and 0 also for floats. Of
    a float, whose last digits are noise, five figures, always as many, so that a column of them does not dance."""
    if scale or value == int(value):
        return group_digits(exact)
    places = max(_FIGURES - 1 - math.floor(math.log10(abs(value))), 0)
    return group_digits(f"{value:.{min(places, 9)}f}")


def group_digits(text: str) -> str:
    """ "1234567.5" -> "1 234 567.5" with U+2009; four digits stay together."""
    sign = "-" if text.startswith("-") else ""
    whole, point, fraction = text.removeprefix("-").partition(".")
    if whole.isdigit() and len(whole) > 4:
        whole = f"{int(whole):,}".replace(",", "\u2009")
    return sign.replace("-", "\u2212") + whole + point + fraction


def size(octets: int) -> tuple[str, str]:
    """(figure, unit), binary multiples."""
    value = float(octets)
    for name in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or name == "GiB":
            break
        value /= 1024
    return (f"{value:.0f}" if name == "B" or value >= 100 else f"{value:.1f}"), name


def age(then: datetime | None, now: datetime, t: Translate) -> str:
    if then is None:
        return t("age.never")
    return span((now - then).total_seconds(), t)


def span(seconds: float, t: Translate) -> str:
    """ "3 s ago". A clock a little ahead of ours reads as now; one far ahead says so."""
    if seconds < -2:
        return t("age.ahead", span=duration(-seconds, t))
    if seconds < 1:
        return t("age.now")
    return t("age.ago", span=duration(seconds, t))


def duration(seconds: float, t: Translate) -> str:
    for key, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length or (key == "minute" and seconds >= length * 1.5):
            return t(f"age.{key}", n=int(seconds // length))
    return t("age.second", n=int(seconds))


def local_time(moment: datetime, zone: timedelta = timedelta(hours=8)) -> str:
    """Beijing time, as the city's clocks show it: the script rewrites it to the reader's own zone."""
    return (moment.astimezone(UTC) + zone).strftime("%Y-%m-%d %H:%M:%S")


def title(names: Mapping[str, str], fallback: str, language: str) -> str:
    """The name in the reader's language, else in any, else the channel's own name."""
    return names.get(language) or next(iter(names.values()), "") or fallback


def quality_key(code: int) -> str:
    """The catalogue key of a quality's word; an unknown code reads as its class (OPC 10000-4, 7.39.1)."""
    try:
        return f"quality.{Quality(code).name.lower()}"
    except ValueError:
        return f"quality.{quality_class(code)}"


def quality_class(code: int) -> str:
    if code == Quality.BAD_NO_DATA:
        return "absent"
    return "bad" if is_bad(code) else "uncertain" if is_uncertain(code) else "good"


def hexdump(sample: bytes) -> str:
    """Sixteen octets a line: offset, hex, printable ASCII."""
    lines = []
    for offset in range(0, len(sample), 16):
        row = sample[offset : offset + 16]
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        lines.append(f"{offset:04x}  {row.hex(' ', 1):<47}  {text}")
    return "\n".join(lines)
