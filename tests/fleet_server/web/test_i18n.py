import re
from pathlib import Path

import pytest

import fleet_server
from fleet_server.web.i18n import LANGUAGES, Catalogue, choose_language

ROOT = Path(fleet_server.__file__).parent
CATALOGUE = Catalogue.load()
TEXTS = [
    *ROOT.glob("web/templates/*.html"),
    *ROOT.glob("domains/*/templates/*.html"),
    *ROOT.glob("web/static/js/*.js"),
]
# place(url, icon, "nav.x", permission) in the frame hands its key on to t().
LITERAL = re.compile(r"""\bt\(\s*"([a-z0-9_]+\.[a-z0-9_]+)"\s*(?=[,)])|place\("[^"]*", "[^"]*", "([a-z0-9_.]+)\"""")
CHOSEN = re.compile(r"""\bt\("([a-z0-9_.]+)" if [^"]*?(?:"[^"]*"[^"]*?)*? else "([a-z0-9_.]+)"\)""")
FAMILY = re.compile(r"""\bt\(\s*["']([a-z0-9_]+\.[a-z0-9_]*)["']\s*[~+]""")
SINGLE = re.compile(r"""\bt\(\s*'([a-z0-9_]+\.[a-z0-9_]+)'""")


def used() -> tuple[set[str], set[str]]:
    """(keys written out, beginnings of keys that are put together)."""
    keys: set[str] = set()
    families: set[str] = set()
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        for pattern in (LITERAL, CHOSEN, SINGLE):
            keys |= {key for match in pattern.findall(text) for key in ([match] if isinstance(match, str) else match)}
        families |= set(FAMILY.findall(text))
    # format.py gives these out by name.
    keys |= {f"age.{name}" for name in ("never", "now", "ago", "ahead", "second", "minute", "hour", "day")}
    return keys - {""}, families | {"quality.", "component."}  # places.py puts the classes of components together


def test_every_key_that_a_page_or_script_uses_is_in_the_catalogue() -> None:
    keys, families = used()
    assert keys - CATALOGUE.keys == set()
    assert {family for family in families if not any(key.startswith(family) for key in CATALOGUE.keys)} == set()


def test_no_key_of_the_catalogue_is_unused() -> None:
    keys, families = used()
    assert {key for key in CATALOGUE.keys - keys if not key.startswith(tuple(families))} == set()


@pytest.mark.parametrize("key", sorted(CATALOGUE.keys))
def test_a_text_stands_in_both_languages_and_names_the_same_fields(key: str) -> None:
    texts = CATALOGUE.texts(key)
    assert set(texts) - {"en_one"} == set(LANGUAGES)
    fields = {language: set(re.findall(r"\{(\w+)\}", text)) for language, text in texts.items()}
    assert all(text.strip() == text and text for text in texts.values())
    assert fields["en"] == fields["zh"] == fields.get("en_one", fields["en"])


def test_chinese_texts_are_chinese_and_english_ones_are_not() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert [key for key in CATALOGUE.keys if chinese.search(CATALOGUE.texts(key)["en"])] == []
    assert [key for key in CATALOGUE.keys if not chinese.search(CATALOGUE.texts(key)["zh"])] == []


def test_one_is_written_in_its_own_form_in_english() -> None:
    assert CATALOGUE.text("en", "devices.shown", n=1) == "1 device"
    assert CATALOGUE.text("en", "devices.shown", n=2) == "2 devices"
    assert CATALOGUE.text("zh", "devices.shown", n=1) == "1 台设备"


def test_a_missing_key_is_an_error_and_never_shown() -> None:
    with pytest.raises(KeyError):
        CATALOGUE.text("en", "nav.nowhere")


def test_a_script_is_given_both_forms_of_a_text() -> None:
    section = CATALOGUE.section("en", "js")
    assert section["map_cell"] == "{n} devices"
    assert section["map_cell_one"] == "{n} device"


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        ("en", "zh-CN,zh;q=0.9", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr-FR, en;q=0.5, zh;q=0.4", "en"),
        (None, "en-GB", "en"),
        (None, "de", "zh"),
        (None, None, "zh"),
        ("klingon", "en", "en"),
        (None, "en;q=oops, zh;q=0.1", "zh"),
        (None, "en;q=0", "zh"),
    ],
)
def test_the_cookie_goes_before_the_best_accepted_language(
    cookie: str | None, accepted: str | None, language: str
) -> None:
    assert choose_language(cookie, accepted) == language
