"""A gateway's configuration: what it runs, what is desired of it, and the history of both."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from fleet_server.domains.configuration.comparison import compare
from fleet_server.domains.configuration.models import (
    LONGEST_TRIAL_S,
    SHORTEST_TRIAL_S,
    TRIAL_S,
    Kind,
    Standing,
    Status,
)
from fleet_server.domains.configuration.service import PERMISSION
from fleet_server.domains.configuration.wiring import InConfiguration
from fleet_server.kernel.context import require
from fleet_server.kernel.paging import After, Limit, Page, page_of
from fleet_server.kernel.principal import Principal
from protocols.edge.desired import MAX_TEXT

router = APIRouter(tags=["configuration"])
Author = Annotated[Principal, Depends(require(PERMISSION))]
IfMatch = Annotated[str, Header(alias="If-Match", max_length=80, description="The ETag of what was edited")]
Number = Annotated[int, Path(ge=0, lt=2**63)]


class VersionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    number: int
    kind: Kind
    status: Status
    detail: str
    lines: str = Field(description="What the gateway says it changes, or what is wrong, line by line")
    base: str | None
    running: str
    trial_s: int
    reverts: int | None
    principal_name: str
    created_at: datetime
    finished_at: datetime | None


class VersionWithText(VersionOut):
    text: str
    changes: list[tuple[str, str]] | None = Field(default=None, description="Against the version before")


class ConfigurationOut(BaseModel):
    """`text` is what the gateway runs; null where it has not told it yet."""

    standing: Standing
    online: bool
    number: int | None
    hash: str | None
    on_trial: bool
    text: str | None
    desired: VersionOut | None
    check: VersionOut | None


class NewConfiguration(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_TEXT, pattern=r"^[^\x00]*$")
    trial_s: int = Field(default=TRIAL_S, description=f"{SHORTEST_TRIAL_S} to {LONGEST_TRIAL_S}")
    force: bool = Field(default=False, description="Whatever the gateway runs by then, and without If-Match")


class Draft(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_TEXT, pattern=r"^[^\x00]*$")


@router.get("/gateways/{code}/configuration")
async def get_configuration(
    code: str, response: Response, configuration: InConfiguration, author: Author
) -> ConfigurationOut:
    seen = await configuration.overview(author, code)
    response.headers["ETag"] = seen.tag
    now = seen.present.configuration
    return ConfigurationOut(
        standing=seen.standing,
        online=seen.present.online,
        number=now.number if now else None,
        hash=now.hash if now else None,
        on_trial=now is not None and now.on_trial,
        text=seen.reported.text if seen.reported else None,
        desired=VersionOut.model_validate(seen.desired) if seen.desired else None,
        check=VersionOut.model_validate(seen.check) if seen.check else None,
    )


@router.put("/gateways/{code}/configuration", status_code=202)
async def put_configuration(
    code: str, new: NewConfiguration, configuration: InConfiguration, author: Author, if_match: IfMatch = ""
) -> VersionOut:
    """The gateway tries it as soon as it is there, and keeps it if it proves itself."""
    made = await configuration.desire(author, code, new.text, if_match, trial_s=new.trial_s, force=new.force)
    return VersionOut.model_validate(made)


@router.post("/gateways/{code}/configuration/check", status_code=202)
async def check_configuration(
    code: str, draft: Draft, configuration: InConfiguration, author: Author, if_match: IfMatch = ""
) -> VersionOut:
    """A dry run on the gateway; its answer is `check` of the configuration a moment later."""
    return VersionOut.model_validate(await configuration.check(author, code, draft.text, if_match))


@router.get("/gateways/{code}/configuration/versions")
async def list_versions(
    code: str, configuration: InConfiguration, author: Author, limit: Limit = 50, after: After = ""
) -> Page[VersionOut]:
    """The newest first."""
    found = await configuration.history(author, code, limit + 1, after=after)
    return page_of([VersionOut.model_validate(one) for one in found], limit, lambda one: str(one.number))


@router.get("/gateways/{code}/configuration/versions/{number}")
async def get_version(code: str, number: Number, configuration: InConfiguration, author: Author) -> VersionWithText:
    found, before = await configuration.with_before(author, code, number)
    changes = await asyncio.to_thread(compare, before.text, found.text) if before else None
    out = VersionWithText.model_validate(found)
    return out.model_copy(update={"changes": changes and [(line.mark, line.text) for line in changes]})


@router.post("/gateways/{code}/configuration/versions/{number}/revert", status_code=202)
async def revert_configuration(
    code: str, number: Number, configuration: InConfiguration, author: Author, if_match: IfMatch = ""
) -> VersionOut:
    return VersionOut.model_validate(await configuration.revert(author, code, number, if_match))
