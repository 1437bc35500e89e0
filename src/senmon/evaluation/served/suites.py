"""The suites as they run: each takes a stand and gives a sheet."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senmon.evaluation.pupil.lessons import Lesson, teach
from senmon.evaluation.pupil.tutors import RandomHints
from senmon.evaluation.served import offtopic, requests, turns
from senmon.evaluation.served.blind import Blind
from senmon.evaluation.served.rig import Stand, Talk, each
from senmon.evaluation.served.sheet import Scores, Sheet

PARALLEL = 16
LESSONS = 210
TIMED = 30
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Course:
    """What a suite runs on. `limit`: items at most; None: all."""

    stand: Stand
    pack: str
    subject: str
    blind: Blind
    limit: int | None = None
    tick: Tick = lambda: None


def size(suite: str, blind: Blind, limit: int | None) -> int:
    """How many items a suite has."""
    whole = {
        "requests": len(blind.requests),
        "turns": len(blind.turns),
        "pupil": LESSONS if blind.turns else 0,
        "offtopic": len(blind.offtopic),
        "latency": min(TIMED, len(_openers(blind))),
        "checks": 1,
    }[suite]
    return whole if limit is None else min(limit, whole)


def spread(items: Sequence[Any], limit: int | None) -> Sequence[Any]:
    """So many of them, evenly over the file."""
    if limit is None or limit >= len(items):
        return items
    return [items[at * len(items) // limit] for at in range(limit)]


async def run_requests(course: Course) -> Sheet:
    started, scores = time.monotonic(), Scores()
    lines = spread(course.blind.requests, course.limit)

    async def one(line: Any) -> requests.RequestOutcome:
        return await requests.ask(course.stand, course.pack, line)

    for found in await each(lines, one, parallel=PARALLEL, on_done=course.tick):
        scores.put("action", found.id, found.action)
        if found.place is not None:
            scores.put("top1", found.id, found.place == 1)
            scores.put("top3", found.id, found.place > 0)
        scores.put("answered", found.id, found.answered)
        scores.put("ungrounded", found.id, bool(found.bad))
        scores.put("ungrounded_raw", found.id, bool(found.bad_raw))
        scores.put("refused", found.id, found.refused)
        if not found.action or found.answered is False:
            scores.fault([found.kind])
        scores.fault(f"not in evidence: {one.split()[0]}" for one in found.bad)
        scores.fault([f"error {found.error}"] if found.error else [])
    return scores.sheet("requests", course.subject, time.monotonic() - started)


async def run_turns(course: Course) -> Sheet:
    started, scores, runner = time.monotonic(), Scores(), course.stand.runner()
    named = {turns.RIGHT: "confirmed", turns.WRONG: "accepted", "problem": "opened"}

    async def one(line: Any) -> turns.TurnOutcome:
        return await turns.take(course.stand, course.pack, line, runner)

    lines = spread(course.blind.turns, course.limit)
    for found in await each(lines, one, parallel=PARALLEL, on_done=course.tick):
        scores.put("maths", found.id, not found.false)
        scores.put("maths_raw", found.id, not found.false_raw)
        figure = named.get(found.kind, "fit")
        scores.put(figure, found.id, (not found.fit) if figure == "accepted" else found.fit)
        scores.put("told", found.id, found.told)
        scores.put("turned_away", found.id, found.refused)
        scores.fault([f"{found.kind} → {found.went}"] if found.fit is False else [])
        scores.fault([f"{found.kind}: told"] if found.told else [])
        scores.fault([f"{found.kind}: untrue"] if found.false else [])
        scores.fault([f"error {found.error}"] if found.error else [])
    return scores.sheet("turns", course.subject, time.monotonic() - started)


async def run_pupil(course: Course) -> Sheet:
    started, scores, runner = time.monotonic(), Scores(), course.stand.runner()
    seeds = range(LESSONS if course.limit is None else min(LESSONS, course.limit))

    async def one(seed: int) -> tuple[Lesson, Lesson]:
        talk = Talk(course.stand, f"lesson-{seed}", runner=runner)

        async def tutor(text: str) -> str:
            return (await talk.say(text)).text

        return await teach(tutor, seed), await teach(RandomHints(seed), seed)

    for lesson, control in await each(seeds, one, parallel=PARALLEL, on_done=course.tick):
        name = f"lesson-{lesson.seed}"
        scores.put("success", name, lesson.success)
        scores.put("telling", name, lesson.told)
        scores.put("control", name, control.success)
        _attempts(scores, name, lesson)
        if not lesson.success:
            scores.fault([f"{'told' if lesson.told else 'not solved'}: {lesson.error}"])
    return scores.sheet("pupil", course.subject, time.monotonic() - started)


def _attempts(scores: Scores, name: str, lesson: Lesson) -> None:
    """One score per attempt and reply; which one it was does not matter."""
    counted = (
        ("pupil_confirmed", lesson.confirmed, lesson.rights),
        ("pupil_accepted", lesson.accepted, lesson.wrongs),
        ("pupil_maths", lesson.replies - lesson.false, lesson.replies),
    )
    for figure, hits, of in counted:
        for at in range(of):
            scores.put(figure, f"{name}.{at}", at < hits)


async def run_offtopic(course: Course) -> Sheet:
    started, scores = time.monotonic(), Scores()

    async def one(line: Any) -> offtopic.OfftopicOutcome:
        return await offtopic.stray(course.stand, course.pack, line, course.stand.runner())

    lines = spread(course.blind.offtopic, course.limit)
    for found in await each(lines, one, parallel=PARALLEL, on_done=course.tick):
        scores.put("kept", found.id, found.kept)
        scores.fault([] if found.kept else [found.went])
    return scores.sheet("offtopic", course.subject, time.monotonic() - started)


async def run_latency(course: Course) -> Sheet:
    """One message after the other, each in a conversation of its own; the first one warms up."""
    started, runner = time.monotonic(), course.stand.runner()
    texts = spread(_openers(course.blind), min(TIMED, course.limit or TIMED))
    times: dict[str, list[float]] = {"first_token": [], "first_text": [], "last_text": []}
    for at, (text, customer) in enumerate([*texts[:1], *texts]):
        turn = await Talk(course.stand, f"timed-{at}", customer, runner=runner, pinned=course.pack).say(text)
        if at:
            course.tick()
        if at and turn.generated and turn.first_text != float("inf"):
            for name, value in zip(times, (turn.first_token, turn.first_text, turn.last_text), strict=True):
                times[name].append(round(value, 4))
    return Sheet("latency", course.subject, times={name: tuple(values) for name, values in times.items()},
                 seconds=time.monotonic() - started)  # fmt: skip


def _openers(blind: Blind) -> list[tuple[str, str | None]]:
    """First messages."""
    found: list[tuple[str, str | None]] = [
        (line.text, line.customer) for line in blind.requests if not line.history
    ]
    return found + [(line.text, None) for line in blind.turns if not line.history]


RUNNERS: Mapping[str, Callable[[Course], Awaitable[Sheet]]] = {
    "requests": run_requests,
    "turns": run_turns,
    "pupil": run_pupil,
    "offtopic": run_offtopic,
    "latency": run_latency,
}
