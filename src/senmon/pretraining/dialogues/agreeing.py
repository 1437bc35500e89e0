"""Actions that say themselves what is missing, and changes that wait for a yes."""

from __future__ import annotations

from random import Random
from typing import Any

from senmon.pretraining.dialogues import frames, values
from senmon.pretraining.dialogues.counter import close, hear
from senmon.pretraining.dialogues.desk import new_desk
from senmon.pretraining.dialogues.script import Script
from senmon.pretraining.dialogues.surface import brief, put, surface
from senmon.pretraining.dialogues.tasks import Errand, errand, key_of

WHICH = (
    "Which one do you mean: [[choose.list]]?", "I see [[choose.list]]. Which one is it?", "There are [[choose.list]]. Which?",
    "Is it one of these: [[choose.list]]?", "Please choose: [[choose.list]].",
)  # fmt: skip
PICKED = (
    "{it}",
    "{it} please",
    "the one with {it}",
    "{it} it is",
    "I mean {it}",
    "{it}, the other can stay",
    "take {it}",
    "{it}!",
)
ASK_CANCEL = (
    "Shall I cancel {noun} [[{r}.id]]?", "Do you really want to cancel [[{r}.id]]?", "Cancel {noun} [[{r}.id]], is that right?",
    "That is {noun} [[{r}.id]]. Shall I cancel it?",
)  # fmt: skip
ASK_CHANGE = (
    "Shall I set the {label} of [[{r}.id]] to [[{r}.{f}]]?", "[[{r}.{f}]] as {label} for [[{r}.id]], is that right?",
    "Do you want [[{r}.{f}]] as the new {label} of [[{r}.id]]?",
)  # fmt: skip
YES = (
    "yes", "Yes please", "yep", "do it", "correct", "that's right", "go ahead", "sure", "yes, do that", "ok", "exactly",
    "of course", "please do", "yeah", "right", "absolutely", "yes go on", "confirmed",
)  # fmt: skip
NO = (
    "no", "No, leave it", "stop, don't", "wait, not yet", "no thanks", "better not", "I changed my mind", "nope", "no, keep it",
    "not now", "hold on, no", "please don't",
)  # fmt: skip
LEFT = (
    "All right, nothing was changed.", "Okay, I leave it as it is.", "Fine, everything stays.", "No problem, it stays that way.",
)  # fmt: skip
TOO_LATE = (
    "I'm sorry, {noun} [[{r}.id]] can't be changed any more, it is [[{r}.status]].",
    "That's too late: [[{r}.id]] is [[{r}.status]].", "Sorry, [[{r}.id]] is already [[{r}.status]].",
)  # fmt: skip


def _words(task: Errand) -> dict[str, str]:
    duty = task.duty
    field = duty.parameters[2] if duty.kind == "change" else ""
    return {
        "noun": duty.record.noun,
        "r": key_of(duty.record.noun),
        "f": field,
        "label": field.replace("_", " "),
    }


def _choose(rng: Random, script: Script, task: Errand) -> None:
    """No number was given: the action lists what there is, and the customer takes one."""
    desk, duty = script.desk, task.duty
    states = (dict(duty.record.fields).get("status") or "open|done|new").split("|")
    ids = [task.result[key_of(duty.record.noun)]["id"]]
    ids += [desk.new_id(rng, duty.record) for _ in range(rng.choice((1, 1, 2)))]
    rng.shuffle(ids)
    script.call(duty.spec.name, {})
    script.result({"choose": {"list": ", ".join(f"{id} ({rng.choice(states)})" for id in ids)}})
    script.say(rng.choice(WHICH))
    picked = put(surface(rng, rng.choice(PICKED)), it=task.arguments[task.missing])
    script.user(picked)


def _start(rng: Random, script: Script, task: Errand) -> dict[str, str]:
    """The customer's wish; the arguments of the call that the last message leads to."""
    duty = task.duty
    way = rng.random()
    if duty.kind == "change":
        if way < 0.6:
            hear(rng, script, task.text)
            return task.arguments
        id_name, new_name, _ = duty.parameters
        hear(rng, script, task.bare)
        script.call(duty.spec.name, {id_name: task.arguments[id_name]})
        noun = key_of(duty.record.noun)
        script.result({"missing": _words(task)["f"], noun: {"id": task.result[noun]["id"]}})
        script.say(task.question)
        script.user(put(surface(rng, rng.choice(frames.GIVE)), it=task.arguments[new_name]))
        return {id_name: task.result[noun]["id"], new_name: task.arguments[new_name]}
    if way < 0.45:
        hear(rng, script, task.text)
        return task.arguments
    hear(rng, script, task.bare)
    if way < 0.8:
        _choose(rng, script, task)
        return task.arguments
    return {}


def _confirm(rng: Random, script: Script, task: Errand) -> None:
    """The action asks back; only a yes leads to `confirm`."""
    words, noun = _words(task), key_of(task.duty.record.noun)
    known = {name: value for name, value in task.result[noun].items() if name != "status"}
    script.result({"ask": task.duty.kind, noun: known})
    script.say(put(rng.choice(ASK_CANCEL if task.duty.kind == "cancel" else ASK_CHANGE), **words))
    if rng.random() < 0.25:
        script.user(brief(rng, rng.choice(NO)))
        script.say(rng.choice(LEFT))
        return
    script.user(brief(rng, rng.choice(YES)))
    confirm = script.desk.duty("confirm")
    assert confirm is not None
    script.call(confirm.spec.name, {})
    script.result(
        {"done": rng.choice(("cancelled", "ended")) if task.duty.kind == "cancel" else "changed", noun: known}
    )
    script.say(task.reply)


def agree(rng: Random) -> dict[str, Any]:
    """An action is called with what was said; it asks for the rest, and changes are confirmed."""
    desk = new_desk(
        rng,
        rng.choice(("get confirm", "cancel confirm", "change confirm", "cancel confirm get")),
        lenient=True,
    )
    script = Script(desk)
    for _ in range(rng.choice((1, 1, 1, 2))):
        task = errand(rng, desk, "get", "cancel", "change")
        arguments = _start(rng, script, task)
        script.call(task.duty.spec.name, arguments)
        noun = key_of(task.duty.record.noun)
        if task.duty.kind == "get":
            script.result(task.result)
            script.say(task.reply)
        elif rng.random() < 0.15:
            status = rng.choice(("closed", "finished", "on its way", "locked", "paid", values.invented(rng)))
            script.result({"error": "too_late", noun: {"id": task.result[noun]["id"], "status": status}})
            script.say(put(rng.choice(TOO_LATE), **_words(task)))
        else:
            _confirm(rng, script, task)
    close(rng, script)
    return script.document("agree")
