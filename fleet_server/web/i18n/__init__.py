"""The console's texts: one catalogue file, key -> {en, zh}.

A text may hold {names} for str.format. `en_one` is the English text when `n` is 1; Chinese
needs no such form.
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

LANGUAGES = ("zh", "en")
DEFAULT = "zh"  # the city the console is made for
CATALOGUE = Path(__file__).parent / "catalogue.toml"

Translate = Callable[..., str]


class Catalogue:
    def __init__(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        self._entries = entries

    @classmethod
    @cache  # every application of a process shares the one that is read first
    def load(cls, path: Path = CATALOGUE) -> "Catalogue":
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls({f"{section}.{name}": texts for section, names in tree.items() for name, texts in names.items()})

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._entries)

    def texts(self, key: str) -> Mapping[str, str]:
        return self._entries[key]

    def text(self, language: str, key: str, /, **values: object) -> str:
        """Raises KeyError for a key that is not in the catalogue: a page never shows a bare key."""
        entry = self._entries[key]
        text = entry.get(f"{language}_one") if values.get("n") == 1 else None
        return (text or entry[language]).format_map(values)

    def translator(self, language: str) -> Translate:
        return partial(self.text, language)

    def section(self, language: str, prefix: str) -> dict[str, str]:
        """The texts under `prefix.`, for the scripts of a page: {name: text, name_one: its form for 1}, unfilled."""
        start = prefix + "."
        texts: dict[str, str] = {}
        for key, entry in self._entries.items():
            if key.startswith(start):
                name = key.removeprefix(start)
                texts[name] = entry[language]
                if f"{language}_one" in entry:
                    texts[f"{name}_one"] = entry[f"{language}_one"]
        return texts


def choose_language(cookie: str | None, accept_language: str | None) -> str:
    """The cookie, else the best of Accept-Language (RFC 9110, 12.5.4), else Chinese."""
    if cookie in LANGUAGES:
        return cookie
    best, best_weight = DEFAULT, 0.0
    for item in (accept_language or "").split(",")[:20]:
        tag, _, parameters = item.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weight = _weight(parameters)
        if primary in LANGUAGES and weight > best_weight:
            best, best_weight = primary, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
