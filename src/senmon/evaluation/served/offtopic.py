"""Messages out of domain in the middle of a conversation: they must not be answered as if they were in it."""

from __future__ import annotations

from dataclasses import dataclass

from senmon.actions.runner import ActionRunner
from senmon.evaluation.served.blind import OfftopicLine
from senmon.evaluation.served.requests import PERSON, declines
from senmon.evaluation.served.rig import Stand, Talk, Turn


@dataclass(frozen=True, slots=True)
class OfftopicOutcome:
    """`kept`: nothing was done or quoted, and it was said that this is not our subject."""

    id: str
    kept: bool
    went: str
    error: str


async def stray(stand: Stand, pack: str, line: OfftopicLine, runner: ActionRunner) -> OfftopicOutcome:
    talk = Talk(stand, line.id, runner=runner)
    for text in line.history:
        await talk.say(text)
    turn = await talk.say(line.text)
    return OfftopicOutcome(line.id, kept(turn), went(turn, pack), turn.error)


def kept(turn: Turn) -> bool:
    """Nobody answers, or the reply declines without an action or an article's words."""
    if turn.error:
        return False
    if any(acted.name != PERSON for acted in turn.acted):
        return False
    quoted = [value for name, value in turn.facts.items() if name.startswith(("answer.", "article."))]
    if any(len(value) > 20 and value in turn.text for value in quoted):
        return False
    return turn.pack is None or turn.handoff or declines(turn.text)


def went(turn: Turn, pack: str) -> str:
    if turn.acted:
        return "+".join(acted.name for acted in turn.acted)
    if turn.pack is None:
        return "nobody"
    place = "" if turn.pack == pack else "elsewhere, "
    return place + ("declined" if declines(turn.text) else "words only")
