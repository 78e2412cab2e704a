import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fleet_server
from fleet_server.web import format as fmt
from fleet_server.web.i18n import Catalogue
from protocols.quality import Quality

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
EN = Catalogue.load().translator("en")
SCRIPT = (Path(fleet_server.__file__).parent / "web/static/js/format.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1234567.50", "1\u2009234\u2009567.50"),
        ("9999", "9999"),
        ("-12345", "\u221212\u2009345"),
        ("-0.5", "\u22120.5"),
    ],
)
def test_thousands_are_set_apart_from_five_digits_on(text: str, written: str) -> None:
    assert fmt.group_digits(text) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12))
def test_grouping_changes_no_digit(value: object) -> None:
    text = f"{value:f}"
    assert fmt.group_digits(text).replace("\u2009", "").replace("\u2212", "-") == text


@pytest.mark.parametrize(
    ("value", "scale", "written"),
    [
        (87.4321987, None, "87.432"),
        (0.000012, None, "0.000012"),
        (87.4, 2, "87.40"),
        (None, 1, "–"),
        (1e7, None, "10\u2009000\u2009000"),
    ],
)
def test_a_float_shows_five_figures_and_a_decimal_its_own_places(
    value: float | None, scale: int | None, written: str
) -> None:
    assert fmt.number(value, scale) == written


@pytest.mark.parametrize(
    ("value", "exact", "scale", "written"),
    [
        (0.50914437, "0.50914437", 0, "0.50914"),
        (20.82344, "20.82344", 0, "20.823"),
        (20.8, "20.8", 0, "20.800"),
        (1500.0, "1500", 0, "1500"),
        (1.5, "1.5", -1, "1.5"),
        (556677.01, "556677.01", -2, "556\u2009677.01"),
        (1e-12, "1E-12", 0, "0.000000000"),
        (-123456.7, "-123456.7", 0, "\u2212123\u2009457"),
    ],
)
def test_decimals_are_exact_and_floats_keep_their_width(value: float, exact: str, scale: int, written: str) -> None:
    assert fmt.measured(value, exact, scale) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.4, "now"),
        (-1.5, "now"),
        (-30, "30 s ahead"),
        (3.9, "3 s ago"),
        (89, "89 s ago"),
        (95, "1 min ago"),
        (7200, "2 h ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_an_age_is_short_and_a_clock_far_ahead_is_told(seconds: float, written: str) -> None:
    assert fmt.age(NOW - timedelta(seconds=seconds), NOW, EN) == written


def test_what_never_was_has_no_age() -> None:
    assert fmt.age(None, NOW, EN) == "never"


@pytest.mark.parametrize(
    ("octets", "written"),
    [(17, ("17", "B")), (2048, ("2.0", "KiB")), (512 << 20, ("512", "MiB")), (9 << 40, ("9216", "GiB"))],
)
def test_sizes_are_binary_multiples(octets: int, written: tuple[str, str]) -> None:
    assert fmt.size(octets) == written


def test_every_quality_has_words_and_an_unknown_code_those_of_its_class() -> None:
    keys = Catalogue.load().keys
    assert all(fmt.quality_key(code) in keys for code in Quality)
    assert fmt.quality_key(0x80FF) == "quality.bad"
    assert fmt.quality_key(0x40FF) == "quality.uncertain"


def test_a_dump_shows_offset_octets_and_text() -> None:
    assert fmt.hexdump(b"hutong\x00\xff" + bytes(9)).splitlines() == [
        "0000  68 75 74 6f 6e 67 00 ff 00 00 00 00 00 00 00 00  hutong..........",
        "0010  00                                               .",
    ]


def test_the_live_script_knows_the_same_qualities_and_units() -> None:
    in_script = {int(code, 16): name for code, name in re.findall(r'(0x[0-9a-f]{4}): "(\w+)"', SCRIPT)}
    assert in_script == {int(code): code.name.lower() for code in Quality}
    units = re.search(r"const UNITS = \{(.*?)\};", SCRIPT)
    assert units is not None
    written = {a or b: text for a, b, text in re.findall(r'(?:"([^"]+)"|(\w+)): "([^"]*)"', units[1])}
    assert written == fmt.UNITS
