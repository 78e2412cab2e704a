"""POST of a new code, GET of what a code is."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from fleet_server.domains.codes.models import Resolved
from fleet_server.domains.codes.wiring import InCodes
from fleet_server.kernel.context import CurrentPrincipal, require
from fleet_server.kernel.divisions import AS_OF
from fleet_server.kernel.principal import Principal
from protocols.citycode import Kind

router = APIRouter(tags=["codes"])
Minter = Annotated[Principal, Depends(require("codes:mint"))]
Text = Annotated[str, Path(max_length=100, description="In any case, with or without separators")]


class NewCode(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: str = Field(max_length=1, description="B component, D device or gateway, L logical entity")
    division: str = Field(max_length=6, description="The district's 6 digits")
    class_: str = Field(alias="class", max_length=4, description="4 digits: GB/T 30428.2; 90xx for devices")
    purpose: str = Field(max_length=200, description="What the code is for")


class DivisionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str = Field(description="From the city down")
    retired: bool
    as_of: str = AS_OF


class KnownOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kind: str = Field(description="device or gateway")
    name: str
    division: str = Field(description="Where it is now, which the code does not say")
    page: str


class MintedOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    purpose: str
    minted_at: datetime


class CodeOut(BaseModel):
    code: str
    kind: str
    kind_name: str
    body: str
    check: str
    class_: str | None = Field(serialization_alias="class", description="Of GB/T 30428.2, 90xx local")
    urn: str
    binary: str | None = Field(description="Hexadecimal; none for events")
    division: DivisionOut | None = Field(description="In which the code was minted; none outside Beijing")
    ledger: KnownOut | None
    minted: MintedOut | None


@router.post("/codes", status_code=201)
async def mint_code(new: NewCode, codes: InCodes, minter: Minter) -> CodeOut:
    return _view(await codes.mint(minter, new.kind, new.division, new.class_, new.purpose))


@router.get("/codes/{text}")
async def resolve_code(text: Text, codes: InCodes, reader: CurrentPrincipal) -> CodeOut:
    return _view(await codes.resolve(reader, text))


def _view(found: Resolved) -> CodeOut:
    code = found.code
    return CodeOut(
        code=code.text,
        kind=code.kind,
        kind_name=code.kind.name.lower(),
        body=code.body,
        check=code.check,
        class_=code.component_class or None,
        urn=code.uri,
        binary=None if code.kind is Kind.EVENT else _hex(code.binary),
        division=DivisionOut.model_validate(found.division) if found.division else None,
        ledger=KnownOut.model_validate(found.known) if found.known else None,
        minted=MintedOut.model_validate(found.minted) if found.minted else None,
    )


def _hex(binary: int | bytes) -> str:
    return binary.hex() if isinstance(binary, bytes) else f"{binary:016x}"
