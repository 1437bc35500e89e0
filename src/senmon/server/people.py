"""Export and erasure of one person's data, for a site's back end."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from senmon.server.erasing import erase_person
from senmon.server.responses import BODY, errors
from senmon.server.services import Caller, Server, site_of

router = APIRouter(tags=["people"])


class Person(BaseModel):
    """One of the two: a customer, as the site's tokens name it (`sub`), or a visitor (one browser)."""

    model_config = ConfigDict(extra="forbid")

    customer: str | None = Field(None, min_length=1, max_length=256)
    visitor: str | None = Field(None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _one(self) -> Person:
        if (self.customer is None) == (self.visitor is None):
            raise ValueError("name a customer or a visitor")
        return self


class PersonsData(BaseModel):
    """Every conversation with all that belongs to it, oldest first."""

    conversations: list[dict[str, Any]]


class PersonErased(BaseModel):
    """What is gone. `lines`: examples of packs made of these conversations."""

    erased: Literal[True] = True
    conversations: int
    proposals: int
    lines: int


@router.post(
    "/v1/people/export",
    response_model=PersonsData,
    responses=errors(*BODY, 401, 429),
    summary="Everything stored of a person",
)
async def export(body: Person, caller: Caller, server: Server) -> PersonsData:
    """Of the key's site; the operator's key: of all sites."""
    person = {**body.model_dump(), "site": site_of(caller)}
    return PersonsData(conversations=await server.workspace.store.people.export(**person))


@router.post(
    "/v1/people/erase",
    response_model=PersonErased,
    responses=errors(*BODY, 401, 429),
    summary="Erase everything stored of a person",
)
async def erase(body: Person, caller: Caller, server: Server) -> PersonErased:
    """Conversations, tokens, feedback, decisions, and the examples of packs that were made of them. There is
    no way back. An adapter tuned before keeps what it learnt until the next one."""
    workspace = server.workspace
    home = workspace.settings.home.expanduser().absolute()
    packs = [served.pack for served in workspace.catalog.packs.values()]
    person = {**body.model_dump(), "site": site_of(caller)}
    found = await erase_person(workspace.store, home, packs, person)
    return PersonErased(conversations=found.conversations, proposals=found.proposals, lines=found.lines)
