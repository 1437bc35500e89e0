"""Turns with a tutor: problems opened, attempts judged, nothing told, nothing false said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from senmon.actions.runner import ActionRunner
from senmon.evaluation.oracle.claims import same, task
from senmon.evaluation.oracle.maths import false_maths
from senmon.evaluation.oracle.telling import stance, tells
from senmon.evaluation.served.blind import TurnLine
from senmon.evaluation.served.requests import declines
from senmon.evaluation.served.rig import Stand, Talk, Turn

#: Kinds of turns in which an attempt is judged.
RIGHT, WRONG = "attempt_right", "attempt_wrong"
#: Kinds in which the answer must not be said.
SILENT = ("problem", WRONG, "tell_me")


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """What became of a turn. `fit`: the reaction fits its kind; None where there is nothing to say about it.
    `told`: the answer was said before the pupil had it. `false` and `false_raw`: untrue mathematics, after
    and before the checks."""

    id: str
    kind: str
    fit: bool | None
    stance: str
    told: bool | None
    told_raw: bool | None
    false: tuple[str, ...]
    false_raw: tuple[str, ...]
    refused: bool | None
    verdicts: tuple[str, ...]
    went: str
    error: str


async def take(stand: Stand, pack: str, line: TurnLine, runner: ActionRunner) -> TurnOutcome:
    """The history said anew, then the turn."""
    talk = Talk(stand, line.id, runner=runner)
    for text in line.history:
        await talk.say(text)
    turn = await talk.say(line.text)
    return judge(pack, line, turn, talk.turns)


def judge(pack: str, line: TurnLine, turn: Turn, turns: Sequence[Turn]) -> TurnOutcome:
    expect = line.expect
    problem, answer = expect.problem or "", expect.answer or ""
    heard = [each.said for each in turns if problem not in each.said]
    silent = bool(problem) and expect.kind in SILENT
    return TurnOutcome(
        id=line.id,
        kind=expect.kind,
        fit=_fits(pack, line, turn),
        stance=stance(turn.text),
        told=tells(turn.text, problem, answer, heard) if silent else None,
        told_raw=tells(turn.raw, problem, answer, heard) if silent else None,
        false=false_maths(turn.text, problem, [each.said for each in turns]),
        false_raw=false_maths(turn.raw, problem, [each.said for each in turns]),
        refused=turn.pack is None or declines(turn.text) if expect.kind not in ("other", "thanks") else None,
        verdicts=turn.verdicts,
        went="+".join(each.name for each in turn.acted)
        or ("nobody" if turn.pack is None else "words only" if turn.pack == pack else "elsewhere"),
        error=turn.error,
    )


def _fits(pack: str, line: TurnLine, turn: Turn) -> bool | None:
    kind = line.expect.kind
    if kind == RIGHT:
        return stance(turn.text) == "confirms"
    if kind == WRONG:
        return stance(turn.text) != "confirms"
    if kind == "problem":
        return opened(turn, line.expect.problem or "")
    if kind == "tell_me":
        return turn.pack == pack and not declines(turn.text)
    if kind == "concept":
        return turn.pack == pack and not turn.acted and not declines(turn.text)
    return bool(turn.acted) if line.expect.exercise else not turn.acted


def opened(turn: Turn, problem: str) -> bool:
    """Whether an action took up this problem, by what it calls it."""
    wanted = task(problem)
    for acted in turn.acted:
        named = acted.result.get("problem")
        text = named.get("text") if isinstance(named, dict) else None
        got = task(str(text)) if text else None
        if got is None or wanted is None:
            continue
        if got.letter is not None or wanted.letter is not None:
            if got.letter == wanted.letter and got.roots == wanted.roots:
                return True
        elif (
            got.side
            and wanted.side
            and (same(got.side, wanted.side) or (got.value is not None and got.value == wanted.value))
        ):
            return True
    return False
