"""The reader's language, kept in a cookie; also before sign-in, so that the set-up page can be read.

The theme needs no request: the script sets its cookie, and the server only reads it, so that no page flashes.
"""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from fleet_server.kernel.errors import Invalid
from fleet_server.web.i18n import LANGUAGES
from fleet_server.web.render import LANGUAGE_COOKIE

router = APIRouter(include_in_schema=False)
_YEAR_S = 31_536_000


@router.post("/language")
async def choose(
    language: Annotated[str, Form(max_length=8)], back: Annotated[str, Form(max_length=2000)] = "/"
) -> Response:
    if language not in LANGUAGES:
        raise Invalid(f"the console speaks {', '.join(LANGUAGES)}", fields={"language": "unknown"})
    response = RedirectResponse(local_path(back), 303)
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="lax")
    return response


def local_path(target: str) -> str:
    """`target` if it is a path on this site, else "/". `//host` and `/\\host` lead elsewhere in a browser."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and "\\" not in target else "/"
