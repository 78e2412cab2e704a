"""docs/domains.md, made from `domains.ALL`: `python -m fleet_server.domains.catalogue_doc` writes it anew."""

import inspect
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from fastapi import APIRouter
from fastapi.routing import APIRoute

from fleet_server.domains import ALL
from fleet_server.kernel.domain import Domain

PATH = Path(__file__).parents[2] / "docs" / "domains.md"
INTRODUCTION = """\
# Domains

<!-- Made by `python -m fleet_server.domains.catalogue_doc`; a test asserts that it is current. -->

A domain is a platform function: a folder of one shape (docs/architecture.md), mounted from a literal list. Domains meet
through the kernel's ports and events alone. The JSON API stands below `/api/v1`; its description is at
`/api/openapi.json`.
"""


def document() -> str:
    return "\n".join([INTRODUCTION, *(_chapter(domain) for domain in ALL)])


def _chapter(domain: Domain) -> str:
    package = sys.modules[f"fleet_server.domains.{domain.name}"]
    lines = [f"## {domain.name}", "", inspect.cleandoc(package.__doc__ or ""), ""]
    facts = (
        ("tables", [f"`{table}`" for table in domain.tables]),
        ("permissions", [f"`{permission}`" for permission in domain.permissions]),
        ("jobs", [f"`{job.name}` every {job.every_s:g} s" for job in domain.jobs]),
        ("listens to", [f"`{subscription.event_type}`" for subscription in domain.subscribes]),
        ("pages", _routes(domain.pages)),
        ("API", _routes(domain.router)),
    )
    for name, items in facts:
        if items:
            lines += textwrap.wrap(f"- {name}: {', '.join(items)}", 118, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join([*lines, ""])


def _routes(router: APIRouter | None) -> list[str]:
    found: Iterable[APIRoute] = (route for route in (router.routes if router else ()) if isinstance(route, APIRoute))
    return [f"`{' '.join(sorted(route.methods or ()))} {route.path}`" for route in found]


if __name__ == "__main__":
    PATH.write_text(document(), "utf-8")
