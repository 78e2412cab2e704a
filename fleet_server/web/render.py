"""Pages: Jinja2 with the catalogue, the static files and the formats at hand.

A page's template is named `<domain>/<file>.html` and lies in that domain's templates/; the frame is `base.html`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, pass_context
from jinja2.runtime import Context as TemplateContext
from starlette.requests import Request
from starlette.responses import HTMLResponse

from fleet_server.web import format as fmt
from fleet_server.web.i18n import LANGUAGES, Catalogue, choose_language
from fleet_server.web.places import component_name
from fleet_server.web.static_files import StaticAssets

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGE_COOKIE = "hutong_language"
THEME_COOKIE = "hutong_theme"
THEMES = ("light", "dark")


class Reader(Protocol):
    """Who looks at the page: the kernel's Principal, as far as a page needs it."""

    @property
    def name(self) -> str: ...
    @property
    def permissions(self) -> frozenset[str]: ...


def language_of(request: Request) -> str:
    return choose_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))


class Renderer:
    """`folders`: domain name -> its templates folder. `tiles`: the map's tile URL template, or ""."""

    def __init__(
        self,
        catalogue: Catalogue,
        assets: StaticAssets,
        folders: Mapping[str, Path],
        now: Callable[[], datetime],
        *,
        tiles: str = "",
    ) -> None:
        self.catalogue = catalogue
        self.assets = assets
        self._now = now
        self._environment = Environment(
            loader=ChoiceLoader(
                [
                    FileSystemLoader(TEMPLATES),
                    PrefixLoader({name: FileSystemLoader(folder) for name, folder in folders.items()}),
                ]
            ),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(static=assets.url, tiles=tiles, LANGUAGES=LANGUAGES)
        self._environment.filters.update(_FILTERS)

    def html(self, request: Request, reader: Reader | None, name: str, /, **values: Any) -> str:
        language = language_of(request)
        theme = request.cookies.get(THEME_COOKIE, "")
        frame = {
            "t": self.catalogue.translator(language),
            "language": language,
            "theme": theme if theme in THEMES else "",
            "texts": partial(self.catalogue.section, language),
            "reader": reader,
            "path": request.url.path,
            "back": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "fragment": "hx-request" in request.headers,
            "now": self._now(),
        }
        return self._environment.get_template(name).render(frame | values)

    def page(
        self, request: Request, reader: Reader | None, name: str, /, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        headers = {"Vary": "Cookie, Accept-Language, HX-Request", "Cache-Control": "no-store"}
        return HTMLResponse(self.html(request, reader, name, status=status, **values), status, headers=headers)


@pass_context
def _age(context: TemplateContext, then: datetime | None) -> str:
    return fmt.age(then, context["now"], context["t"])


@pass_context
def _title(context: TemplateContext, names: Mapping[str, str], fallback: str = "") -> str:
    return fmt.title(names, fallback, context["language"])


@pass_context
def _component(context: TemplateContext, code: str) -> str:
    return component_name(code, context["t"])


@pass_context
def _quality(context: TemplateContext, code: int) -> str:
    return str(context["t"](fmt.quality_key(code)))


def _millis(moment: datetime | None) -> int | str:
    return "" if moment is None else int(moment.timestamp() * 1000)


_FILTERS: dict[str, Any] = {
    "age": _age,
    "title_in": _title,
    "component": _component,
    "quality": _quality,
    "quality_class": fmt.quality_class,
    "number": fmt.number,
    "digits": fmt.group_digits,
    "unit": fmt.unit,
    "size": fmt.size,
    "clock": fmt.local_time,
    "millis": _millis,
    "hexdump": fmt.hexdump,
}
