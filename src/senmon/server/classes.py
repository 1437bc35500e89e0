"""For teachers: what the pupils of a class master."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from senmon.mastery import observations, standings
from senmon.messages import BY_CLASS_CODE
from senmon.server.responses import errors
from senmon.server.services import Caller, Server, site_of
from senmon.store.store import Store

router = APIRouter(tags=["classes"])
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Skill(BaseModel):
    """A pupil at one skill."""

    skill: str
    mastery: float = Field(description="Probability that the pupil masters it, by knowledge tracing.")
    attempts: int
    right: int
    hints: int = Field(description="Asked for in these attempts.")
    mistake: str = Field(description="The most frequent one, or empty.")


class PupilMastery(BaseModel):
    pupil: str = Field(description="The nickname.")
    skills: list[Skill]


class ClassMastery(BaseModel):
    """What was seen over all conversations that are kept."""

    name: str
    pupils: list[PupilMastery]


@router.get(
    "/v1/classes/{name}/mastery",
    response_model=ClassMastery,
    responses=errors(401, 422, 429),
    summary="What the pupils of a class master",
)
async def read_mastery(name: Name, identity: Caller, server: Server) -> ClassMastery:
    """Of pupils who signed in with a code of the class. Needs an API key; a site's key sees its own site."""
    return await class_mastery(server.workspace.store, name, site_of(identity))


async def class_mastery(store: Store, name: str, site: str | None = None) -> ClassMastery:
    prefix = f"{BY_CLASS_CODE}{name}/"
    found = await store.pupils.observed(prefix, site)
    return ClassMastery(
        name=name,
        pupils=[
            PupilMastery(
                pupil=pupil.removeprefix(prefix),
                skills=[
                    Skill(
                        skill=each.skill,
                        mastery=round(each.mastery, 3),
                        attempts=each.attempts,
                        right=each.right,
                        hints=each.hints,
                        mistake=each.mistake,
                    )
                    for each in standings(observations(kept))
                ],
            )
            for pupil, kept in sorted(found.items())
        ],
    )
