"""POST and GET of a device's commands."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from fleet_server.domains.commands.models import LONGEST_S, SHORTEST_S
from fleet_server.domains.commands.wiring import InCommands
from fleet_server.kernel.context import require
from fleet_server.kernel.paging import After, Limit, Page, page_of
from fleet_server.kernel.ports import CommandStatus
from fleet_server.kernel.principal import Principal
from protocols.edge.messages import MAX_REQUIREMENTS
from protocols.edge.requirement import Requirement

router = APIRouter(tags=["commands"])
Sender = Annotated[Principal, Depends(require("commands:send"))]
Reader = Annotated[Principal, Depends(require("telemetry:read"))]


class RequirementIn(BaseModel):
    """What a channel must show right before the write: from `low` to `high`, both included, in its unit."""

    model_config = ConfigDict(extra="forbid")

    device: str = Field(default="", max_length=64, description="Of the same gateway; the device itself, if left out")
    channel: str = Field(max_length=64, pattern=r"^[^\x00]*$")
    low: Decimal
    high: Decimal


class NewCommand(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: str = Field(max_length=64, pattern=r"^[^\x00]*$")
    value: Decimal = Field(description="In the channel's unit; as text it is exact")
    expires_s: int = Field(default=30, description=f"{SHORTEST_S} to {LONGEST_S}: how long it may wait")
    requires: list[RequirementIn] = Field(
        default=[], max_length=MAX_REQUIREMENTS, description="Read by the gateway right before it writes"
    )


class RequirementOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    device: str
    channel: str
    low: Decimal
    high: Decimal


class CommandOut(BaseModel):
    """`unknown`: it was sent, and whether it was executed nobody can say; a late result replaces it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    device: str
    channel: str
    value: Decimal
    status: CommandStatus
    detail: str
    readback: Decimal | None = Field(description="What the channel showed afterwards")
    principal: str
    issued_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    requires: list[RequirementOut]


@router.post("/devices/{code}/commands", status_code=202)
async def send_command(code: str, new: NewCommand, commands: InCommands, sender: Sender) -> CommandOut:
    requires = [Requirement(need.device or code, need.channel, need.low, need.high) for need in new.requires]
    sent = await commands.send(sender, code, new.channel, new.value, new.expires_s, requires)
    return CommandOut.model_validate(sent)


@router.get("/devices/{code}/commands")
async def list_commands(
    code: str, commands: InCommands, reader: Reader, limit: Limit = 50, after: After = ""
) -> Page[CommandOut]:
    """The newest first."""
    found = await commands.recent(reader, code, limit + 1, after=after)
    return page_of([CommandOut.model_validate(command) for command in found], limit, lambda command: str(command.id))
