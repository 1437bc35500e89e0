"""For teachers: what pupils master, which mistakes are common, and who is stuck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from senmon.mastery import Observation, Standing, observations, standings
from senmon.messages import BY_CLASS_CODE
from senmon.server.console.pages import render
from senmon.server.console.route import ConsoleRoute
from senmon.server.console.session import server_of

router = APIRouter(prefix="/console/class", route_class=ConsoleRoute, include_in_schema=False)
#: Stuck: so many attempts at a skill and still this far from it, or the last ones all wrong.
ATTEMPTS, LOW, IN_A_ROW = 4, 0.4, 3
#: Pupils who came signed in by a site, not with a class code.
OTHERS = "signed in"
_MOST_ERRORS = 12


@dataclass(frozen=True, slots=True)
class Stuck:
    pupil: str
    skill: str
    mastery: float
    attempts: int
    why: str
    mistake: str


@router.get("")
async def page(request: Request) -> Response:
    found = await server_of(request).workspace.store.pupils.observed("")
    classes = _classes(found)
    names = sorted(classes)
    asked = request.query_params.get("name", "")
    chosen = asked if asked in classes else next(iter(names), "")
    seen = classes.get(chosen, {})
    levels = {pupil: {one.skill: one for one in standings(each)} for pupil, each in sorted(seen.items())}
    return render(
        request,
        "class.html",
        classes=names,
        chosen=chosen,
        pupils=levels,
        skills=_skills(levels),
        errors=_errors(seen),
        stuck=_stuck(seen),
        attempts=sum(map(len, seen.values())),
    )


def _classes(found: Mapping[str, list[Any]]) -> dict[str, dict[str, list[Observation]]]:
    """Class → pupil → what was seen."""
    classes: dict[str, dict[str, list[Observation]]] = {}
    for customer, kept in found.items():
        seen = observations(kept)
        if not seen:
            continue
        if customer.startswith(BY_CLASS_CODE):
            name, _, pupil = customer.removeprefix(BY_CLASS_CODE).partition("/")
        else:
            name, pupil = OTHERS, customer
        classes.setdefault(name, {})[pupil] = seen
    return classes


def _skills(levels: Mapping[str, Mapping[str, Standing]]) -> list[tuple[str, float, int]]:
    """The weakest first: skill, the pupils' mean, how many have tried."""
    found: dict[str, list[float]] = {}
    for skills in levels.values():
        for skill, one in skills.items():
            found.setdefault(skill, []).append(one.mastery)
    means = [(skill, sum(values) / len(values), len(values)) for skill, values in found.items()]
    return sorted(means, key=lambda each: each[1])


def _errors(seen: Mapping[str, list[Observation]]) -> list[tuple[str, int, int]]:
    """The most common first: mistake, how often, of how many pupils."""
    often = Counter(one.error for each in seen.values() for one in each if one.error)
    who = Counter(error for each in seen.values() for error in {one.error for one in each if one.error})
    return [(error, count, who[error]) for error, count in often.most_common(_MOST_ERRORS)]


def _stuck(seen: Mapping[str, list[Observation]]) -> list[Stuck]:
    """The furthest from it first."""
    found = []
    for pupil, each in seen.items():
        for one in standings(each):
            last = [tried.right for tried in each if tried.skill == one.skill][-IN_A_ROW:]
            if len(last) == IN_A_ROW and not any(last):
                why = f"the last {IN_A_ROW} wrong"
            elif one.attempts >= ATTEMPTS and one.mastery < LOW:
                why = f"{one.attempts} attempts"
            else:
                continue
            found.append(Stuck(pupil, one.skill, one.mastery, one.attempts, why, one.mistake))
    return sorted(found, key=lambda one: one.mastery)
