"""Conversations at a desk: the right action with the words of the customer, and what goes wrong there."""

from __future__ import annotations

from random import Random
from typing import Any

from senmon.pretraining.dialogues import frames, values
from senmon.pretraining.dialogues.articles import noise
from senmon.pretraining.dialogues.desk import WHY, Desk, new_desk
from senmon.pretraining.dialogues.script import Script, maybe_context
from senmon.pretraining.dialogues.smalltalk import THANKS, WELCOME
from senmon.pretraining.dialogues.surface import brief, put, surface
from senmon.pretraining.dialogues.tasks import Errand, errand

NEEDS = (
    "get",
    "get",
    "get",
    "cancel",
    "change",
    "book",
    "goods",
    "find",
    "list",
    "note",
    "get cancel",
    "get goods",
)
MISSABLE = ("get", "cancel", "change", "book", "goods", "find")


def hear(rng: Random, script: Script, text: str) -> None:
    """A user's turn with the context that the product would add."""
    desk = script.desk
    script.user(text)
    noun = rng.choice(desk.trade.records).noun
    shown = noise(rng, desk.noise, noun, desk.trade.goods, facts=not desk.plain, answers=desk.answers)
    maybe_context(rng, script, shown)


def act(script: Script, task: Errand) -> None:
    """The call and its result."""
    script.call(task.duty.spec.name, task.arguments)
    script.result(task.result)


def close(rng: Random, script: Script) -> None:
    if rng.random() < 0.15:
        script.user(brief(rng, rng.choice(THANKS)))
        script.say(rng.choice(WELCOME))


def choose(rng: Random) -> dict[str, Any]:
    """Which action, with which words: one errand or two, one after the other."""
    desk = new_desk(rng, rng.choice(NEEDS))
    script = Script(desk)
    for _ in range(rng.choice((1, 1, 1, 2))):
        task = errand(rng, desk)
        hear(rng, script, task.text)
        act(script, task)
        script.say(task.reply)
    close(rng, script)
    return script.document("choose")


def _given(rng: Random, task: Errand, other: Errand | None) -> str:
    """The missing value in the customer's words, at times with a slip before it."""
    it = task.arguments[task.missing]
    if other and rng.random() < 0.25:
        return put(surface(rng, rng.choice(frames.SLIP)), it=it, old=other.arguments[other.missing])
    if rng.random() < 0.3:
        return it
    return put(surface(rng, rng.choice(frames.GIVE)), it=it)


def ask_back(rng: Random) -> dict[str, Any]:
    """Something is missing: ask, then call with what was given; corrections and second thoughts."""
    desk = new_desk(
        rng, rng.choice(("get", "get", "cancel", "change", "book", "goods", "find")), lenient=False
    )
    script = Script(desk)
    task = errand(rng, desk, *MISSABLE)
    other = task.again() if task.again else None
    if rng.random() < 0.7:
        hear(rng, script, task.bare)
        script.say(task.question)
        script.user(_given(rng, task, other))
    else:
        hear(rng, script, task.text)
    act(script, task)
    script.say(task.reply)
    if task.again and rng.random() < 0.5:
        later = task.again()
        script.user(put(surface(rng, rng.choice(frames.LATER)), it=later.arguments[later.missing]))
        act(script, later)
        script.say(later.reply)
    close(rng, script)
    return script.document("ask_back")


def _person(rng: Random, script: Script, why: str, words: tuple[str, ...]) -> None:
    person = script.desk.person
    if person is None:
        script.say(rng.choice(frames.OFFER))
        return
    script.call(person.spec.name, {person.parameters[0]: why} if person.parameters else {})
    script.result({"handoff": why} if person.parameters else {"handoff": True})
    script.say(rng.choice(words))


def _missed(rng: Random, script: Script) -> None:
    """Not there; the customer looks again."""
    desk = script.desk
    task = errand(rng, desk, "get", "goods", "find", "cancel")
    hear(rng, script, task.text)
    script.call(task.duty.spec.name, task.arguments)
    noun = next(iter(task.result))
    known = {noun: {"id": task.result[noun]["id"]}} if task.duty.kind in ("get", "cancel") else {}
    script.result({"error": "not_found", **known})
    script.say(task.not_found)
    if task.again and rng.random() < 0.5:
        right = task.again()
        script.user(
            put(surface(rng, rng.choice(frames.LATER + frames.GIVE)), it=right.arguments[right.missing])
        )
        act(script, right)
        script.say(right.reply)


def _refused(rng: Random, script: Script) -> None:
    task = errand(rng, script.desk, "get", "cancel", "change", "note")
    way = rng.random()
    script.user(task.text)
    if way < 0.3:
        script.context((), "not signed in")
    script.call(task.duty.spec.name, task.arguments)
    if way < 0.4:
        script.result({"error": "sign_in_required"})
        script.say(rng.choice(frames.SIGN_IN))
    elif way < 0.85:
        noun = task.duty.record.noun
        reason = put(
            rng.choice(frames.REASONS),
            number=rng.randrange(2, 30),
            noun=noun,
            day=values.date(rng),
            money=values.money(rng),
            name=values.person(rng),
        )
        script.result({"error": "not_allowed", "reason": reason})
        script.say(rng.choice(frames.NOT_ALLOWED))
    else:
        script.result({"error": rng.choice(("action_failed", "timeout", "unavailable"))})
        script.say(rng.choice(frames.BROKEN))


def _upset(rng: Random, script: Script) -> None:
    desk = script.desk
    noun = rng.choice(desk.trade.records).noun
    hear(rng, script, surface(rng, put(rng.choice(frames.ANGRY), noun=noun, trade=desk.trade.name)))
    if rng.random() < 0.5:
        _person(rng, script, WHY[1], frames.CALM)
        return
    script.say(rng.choice(frames.OFFER))
    script.user(brief(rng, rng.choice(frames.ACCEPT)))
    _person(rng, script, WHY[1], frames.PASSED_ON)


def _wish(rng: Random, script: Script) -> None:
    if rng.random() < 0.4:
        task = errand(rng, script.desk)
        hear(rng, script, task.text)
        act(script, task)
        script.say(task.reply)
    hear(rng, script, surface(rng, rng.choice(frames.WANT_PERSON)))
    _person(rng, script, WHY[0], frames.PASSED_ON)


def _listed(rng: Random, script: Script) -> None:
    """A list, then one of its items by its id."""
    task = errand(rng, script.desk, "list")
    hear(rng, script, task.text)
    act(script, task)
    script.say(task.reply)


def outcomes(rng: Random) -> dict[str, Any]:
    """What comes back is not what was hoped for, or a person is needed."""
    flow = rng.choice((_missed, _refused, _refused, _upset, _wish, _listed))
    need = {"_listed": "get list", "_upset": "get person", "_wish": "get person"}.get(flow.__name__, "get")
    desk: Desk = new_desk(rng, need)
    script = Script(desk)
    flow(rng, script)
    close(rng, script)
    return script.document("outcomes")
