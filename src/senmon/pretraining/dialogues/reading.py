"""Questions that a passage answers, in its words; or that none of them answers."""

from __future__ import annotations

from random import Random
from typing import Any

from senmon.pretraining.dialogues import frames
from senmon.pretraining.dialogues.articles import Article, articles
from senmon.pretraining.dialogues.counter import act, hear
from senmon.pretraining.dialogues.desk import new_desk
from senmon.pretraining.dialogues.script import Script, maybe_context
from senmon.pretraining.dialogues.smalltalk import THANKS, WELCOME
from senmon.pretraining.dialogues.surface import brief, surface
from senmon.pretraining.dialogues.tasks import errand

UNANSWERED = (
    "I don't find that in my articles. Shall I get a person?", "I'm not sure about that. Would you like to ask a colleague?",
    "My articles say nothing about it. Shall somebody write to you?", "I can't answer that, sorry. A person could help.",
    "That is not in what I have here. Do you want to talk to someone?", "I don't know that. Shall I pass it on?",
)  # fmt: skip
OPENERS = (
    "",
    "",
    "",
    "",
    "",
    "Sure. ",
    "Gladly: ",
    "Yes, I can tell you. ",
    "Good question. ",
    "Here is what I know: ",
)
MORE = ("and ", "also, ", "one more thing: ", "ok. ", "", "", "good, ", "thanks. ")


def _ask(rng: Random, script: Script, shown: list[Article], answered: bool) -> None:
    desk = script.desk
    facts = not desk.plain
    if answered:
        place = rng.randrange(len(shown))
        point = rng.choice(shown[place].points)
        said = f"[[answer.{place + 1}]]" if desk.answers else rng.choice(OPENERS) + point.answer
        question, reply = point.question, said
    else:
        noun = rng.choice(desk.trade.records).noun
        taken = frozenset(each.topic for each in shown)
        other = articles(rng, 1, noun, desk.trade.goods, facts=facts, besides=taken)[0]
        question, reply = rng.choice(other.points).question, rng.choice(UNANSWERED)
    script.user(surface(rng, question))
    maybe_context(rng, script, [each.passage for each in shown])
    script.say(reply)


def reading(rng: Random) -> dict[str, Any]:
    """One or two questions, each with one to three passages; a quarter of them unanswered."""
    desk = new_desk(rng, rng.choice(("get", "get person", "goods", "-")))
    script = Script(desk)
    if rng.random() < 0.15 and any(duty.kind != "person" for duty in desk.duties):
        task = errand(rng, desk)
        hear(rng, script, task.text)
        act(script, task)
        script.say(task.reply)
    # References are resolved against what the turn shows, so facts appear only where the desk uses them.
    for _ in range(rng.choice((1, 1, 2))):
        noun = rng.choice(desk.trade.records).noun
        count, facts = rng.choice((1, 2, 2, 3)), not desk.plain and rng.random() < 0.9
        shown = articles(rng, count, noun, desk.trade.goods, facts=facts, answers=desk.answers)
        answered = rng.random() >= 0.25
        _ask(rng, script, shown, answered)
        if not answered and desk.person and rng.random() < 0.4:
            _passed_on(rng, script)
    if rng.random() < 0.15:
        script.user(brief(rng, rng.choice(THANKS)))
        script.say(rng.choice(WELCOME))
    return script.document("reading")


def _passed_on(rng: Random, script: Script) -> None:
    person = script.desk.person
    assert person is not None
    script.user(brief(rng, rng.choice(frames.ACCEPT)))
    script.call(person.spec.name, {person.parameters[0]: "no_answer"} if person.parameters else {})
    script.result({"handoff": "no_answer" if person.parameters else True})
    script.say(rng.choice(frames.PASSED_ON))
