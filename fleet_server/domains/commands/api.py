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

router = APIRouter(tags=["commands"])
Sender = Annotated[Principal, Depends(require("commands:send"))]
Reader = Annotated[Principal, Depends(require("telemetry:read"))]


class NewCommand(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: str = Field(max_length=64, pattern=r"^[^\x00]*$")
    value: Decimal = Field(description="In the channel's unit; as text it is exact")
    expires_s: int = Field(default=30, description=f"{SHORTEST_S} to {LONGEST_S}: how long it may wait")


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


@router.post("/devices/{code}/commands", status_code=202)
async def send_command(code: str, new: NewCommand, commands: InCommands, sender: Sender) -> CommandOut:
    sent = await commands.send(sender, code, new.channel, new.value, new.expires_s)
    return CommandOut.model_validate(sent)


@router.get("/devices/{code}/commands")
async def list_commands(
    code: str, commands: InCommands, reader: Reader, limit: Limit = 50, after: After = ""
) -> Page[CommandOut]:
    """The newest first."""
    found = await commands.recent(reader, code, limit + 1, after=after)
    return page_of([CommandOut.model_validate(command) for command in found], limit, lambda command: str(command.id))
