"""A tutor and a pupil: what the pupil works on is copied into the call; hints come back. And worked sums."""

from __future__ import annotations

from random import Random
from typing import Any

from senmon.pretraining.dialogues import values
from senmon.pretraining.dialogues.desk import ASSISTANTS, Desk, Duty, signature
from senmon.pretraining.dialogues.domains import TRADES
from senmon.pretraining.dialogues.script import Script
from senmon.pretraining.dialogues.smalltalk import THANKS, WELCOME
from senmon.pretraining.dialogues.sums import Sum, new_sum, typed
from senmon.pretraining.dialogues.surface import brief, put, surface

SYSTEMS = (
    "You are {me}, a kind {subject} tutor. Give hints, never the answer. Say results by name, like [[{h}.text]].",
    "{me} helps pupils with {subject}. Copy the pupil's words into the call. Refer to results: [[{h}.text]].",
    "Your name is {me}. You coach {subject} with small hints. Never solve it yourself; use the tools. Be brief.",
    "You are the {subject} coach {me}. A new task: call {open}. An answer: call {check}. Help: call {hint}.",
    "As {me} you practise {subject} with children. Be patient, one question at a time, values as references.",
)  # fmt: skip
OPEN_NAMES = [
    "start_task",
    "new_task",
    "set_exercise",
    "begin_exercise",
    "take_problem",
    "add_task",
    "load_task",
    "start_exercise",
]
CHECK_NAMES = [
    "verify",
    "check_step",
    "grade",
    "judge_answer",
    "check_result",
    "try_answer",
    "mark_answer",
    "test_step",
]
HINT_NAMES = ["give_hint", "hint", "get_help", "next_step", "clue", "tip", "more_help", "help_pupil"]
OPEN_KEYS, CHECK_KEYS = (
    ("task", "exercise", "text", "question", "sum"),
    ("answer", "step", "line", "try", "result"),
)
NEW = (
    "Can you help me with {it}?", "I have to solve {it}", "My task is {it}", "{it}", "how do I do {it}?", "we got {it} today",
    "The next one is {it}.", "I don't understand {it}", "Number 4 says {it}", "Let's try {it}", "homework: {it}", "{it} ???",
    "New one: {it}", "our teacher gave us {it}", "What about {it}?", "Please look at {it}", "I'm stuck at {it}", "now {it}",
)  # fmt: skip
TRY = (
    "Is it {it}?", "{it}", "I get {it}", "my answer is {it}", "I think it's {it}", "then {it}", "so {it}?", "{it}, right?",
    "It must be {it}.", "First step: {it}", "maybe {it}", "I wrote {it}", "that makes {it}", "Could it be {it}?", "now I have {it}",
)  # fmt: skip
STUCK = (
    "I don't know", "help please", "Give me a hint", "I'm stuck", "no idea", "what do I do next?", "just tell me the answer",
    "can you help me", "this is too hard", "what now", "Another hint?", "I give up", "how do I start?", "explain it to me",
)  # fmt: skip
STARTED = ("Let's look at [[{k}.text]]. [[{h}.text]]", "Okay, [[{k}.text]]. [[{h}.text]]", "Good. [[{h}.text]]",
           "A nice one. [[{h}.text]]", "Let's begin. [[{h}.text]]")  # fmt: skip
RIGHT = (
    "[[{f}.text]] Shall we do another one?",
    "[[{f}.text]] Well done!",
    "Great! [[{f}.text]]",
    "[[{f}.text]]",
)
WRONG = ("[[{f}.text]] [[{h}.text]]", "Not yet. [[{f}.text]] [[{h}.text]]", "[[{f}.text]] Try once more: [[{h}.text]]",
         "Hm. [[{f}.text]] [[{h}.text]]")  # fmt: skip
HELPED = (
    "[[{h}.text]]",
    "Here is a hint: [[{h}.text]]",
    "Let's take it slowly. [[{h}.text]]",
    "No problem. [[{h}.text]]",
)
GOOD_TEXTS = (
    "That is right.",
    "Yes, correct.",
    "Exactly.",
    "That's it!",
    "Right, well worked out.",
    "Correct answer.",
)
BAD_TEXTS = (
    "Not quite.",
    "That is not it yet.",
    "There is a slip.",
    "Close, but no.",
    "Look again.",
    "Something is off.",
)
KINDS_OF_ERROR = ("sign", "slip", "carry", "wrong operation", "off by one", "reading")
COACH = (
    "You are {me}. Work sums out step by step.", "Show each step, then the result.", "You calculate with all steps.",
    "{me} explains sums digit by digit.", "",
)  # fmt: skip
ASK_SUM = (
    "{it}",
    "What is {it}?",
    "work out {it}",
    "{it} = ?",
    "Please calculate {it}.",
    "{it} step by step",
    "how much is {it}",
)
ASK_EQUATION = (
    "Solve {it}",
    "{it}",
    "What is {x} in {it}?",
    "{it}, find {x}",
    "Please solve {it} step by step.",
)
WORD_SUBJECTS = ("spelling", "vocabulary", "reading", "typing", "geography", "music theory")


def _hints(rng: Random, task: Sum) -> list[str]:
    first = {
        "addition": ("Start with the ones.", "Add the ones first. Do you need to carry?"),
        "subtraction": ("Begin at the right. Do you have to borrow?", "Take the ones first."),
        "multiplication": ("Split the larger number.", "Multiply the tens and the ones apart."),
        "linear equation": ("Which number stands beside the letter?", "What undoes the last operation?"),
        "percentages": ("What is one percent of it?", "Find 10% first."),
    }[task.skill]
    return [
        rng.choice(first),
        rng.choice(("Look at the last digit.", "Check it with the opposite.", "Go step by step.")),
    ]


def _word_task(rng: Random) -> tuple[Sum, str]:
    """A task of another subject: words instead of numbers."""
    word = values.invented(rng, 2) if rng.random() < 0.5 else rng.choice(rng.choice(TRADES).goods)
    subject = rng.choice(WORD_SUBJECTS)
    return Sum(word, (), word, subject), subject


def wrong_answer(rng: Random, answer: str) -> str:
    """A false answer near the true one."""
    head, _, tail = answer.rpartition(" ")
    if tail.lstrip("-").isdigit():
        return f"{head} {int(tail) + rng.choice((-10, -2, -1, 1, 2, 10))}".strip()
    at = rng.randrange(len(tail))
    changed = tail[:at] + rng.choice("qjxw") + tail[at + 1 :]
    return f"{head} {changed if changed != tail else tail + 'q'}".strip()


def _tutor(rng: Random, subject: str, names: dict[str, str]) -> Desk:
    trade = TRADES[0]
    record = trade.records[0]
    opened = signature(
        rng.choice(OPEN_NAMES), rng.choice(("a new task", "the pupil brings a task")), rng.choice(OPEN_KEYS)
    )
    check = signature(
        rng.choice(CHECK_NAMES), rng.choice(("the pupil answers", "checks an answer")), rng.choice(CHECK_KEYS)
    )
    hint = signature(rng.choice(HINT_NAMES), rng.choice(("the pupil needs help", "another hint")))
    duties = [
        Duty(kind, spec, tuple(spec.parameters["properties"]), record)
        for kind, spec in (("open", opened), ("check", check), ("hint", hint))
    ]
    rng.shuffle(duties)
    me = rng.choice(ASSISTANTS)
    words = {"open": opened.name, "check": check.name, "hint": hint.name, "h": names["h"]}
    system = put(rng.choice(SYSTEMS), me=me, subject=subject, **words)
    return Desk(me, "", trade, system, tuple(duties), {}, False, 0.0)


def tutoring(rng: Random) -> dict[str, Any]:
    """A task, tries, hints."""
    task, subject = (new_sum(rng), "maths") if rng.random() < 0.75 else _word_task(rng)
    names = {
        "k": rng.choice(("task", "exercise", "problem")),
        "h": rng.choice(("hint", "clue", "tip", "help")),
        "f": rng.choice(("feedback", "comment", "note")),
    }
    script = Script(_tutor(rng, subject, names))
    duty = {each.kind: each for each in script.desk.duties}
    hints = _hints(rng, task) if subject == "maths" else ["Say it slowly first.", "How does it begin?"]
    opened = rng.random() < 0.88
    if opened:
        text = typed(rng, task.text)
        script.user(put(surface(rng, rng.choice(NEW)), it=text))
        script.call(duty["open"].spec.name, {duty["open"].parameters[0]: text})
        script.result(
            {
                "status": "open",
                names["k"]: {"text": task.text},
                "skill": task.skill,
                names["h"]: {"text": hints[0]},
            }
        )
        script.say(put(rng.choice(STARTED), **names))
    for turn in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.35:
            script.user(brief(rng, rng.choice(STUCK)))
            script.call(duty["hint"].spec.name, {})
            script.result({names["h"]: {"text": hints[turn % 2]}})
            script.say(put(rng.choice(HELPED), **names))
        elif not opened:
            _unasked(rng, script, task, duty["check"], names)
            break
        elif _tried(rng, script, task, duty["check"], names, hints[1]):
            break
    if rng.random() < 0.15:
        script.user(brief(rng, rng.choice(THANKS)))
        script.say(rng.choice(WELCOME))
    return script.document("tutoring")


def _unasked(rng: Random, script: Script, task: Sum, check: Duty, names: dict[str, str]) -> None:
    """An answer to nothing."""
    attempt = typed(rng, task.answer)
    script.user(put(surface(rng, rng.choice(TRY)), it=attempt))
    script.call(check.spec.name, {check.parameters[0]: attempt})
    nothing = rng.choice(
        ("There is no open task.", "I don't see a task yet.", "Nothing to compare that with.")
    )
    ask = rng.choice(("Tell me your task first.", "What is the task?", "Send me the exercise."))
    script.result({"verdict": "unclear", names["f"]: {"text": nothing}, names["h"]: {"text": ask}})
    script.say(put(rng.choice(("[[{f}.text]] [[{h}.text]]", "Hm. [[{f}.text]] [[{h}.text]]")), **names))


def _tried(rng: Random, script: Script, task: Sum, check: Duty, names: dict[str, str], hint: str) -> bool:
    """An answer is tried; whether it was right."""
    right = rng.random() < 0.5
    attempt = typed(rng, task.answer if right else wrong_answer(rng, task.answer))
    script.user(put(surface(rng, rng.choice(TRY)), it=attempt))
    script.call(check.spec.name, {check.parameters[0]: attempt})
    if right:
        script.result({"verdict": "right", names["f"]: {"text": rng.choice(GOOD_TEXTS)}})
    else:
        error = {"error_kind": rng.choice(KINDS_OF_ERROR)} if rng.random() < 0.5 else {}
        script.result(
            {
                "verdict": "wrong",
                **error,
                names["f"]: {"text": rng.choice(BAD_TEXTS)},
                names["h"]: {"text": hint},
            }
        )
    script.say(put(rng.choice(RIGHT if right else WRONG), **names))
    return right


def worked(task: Sum) -> str:
    """The steps and what they come to."""
    end = task.answer if " = " in task.text else f"{task.text} = {task.answer}"
    return " ".join((*task.steps, f"So {end}."))


def arithmetic(rng: Random) -> dict[str, Any]:
    """Two to five sums with all their steps."""
    messages: list[dict[str, str]] = []
    system = put(rng.choice(COACH), me=rng.choice(ASSISTANTS))
    if system:
        messages.append({"role": "system", "content": system})
    for _ in range(rng.randrange(2, 5)):
        task = new_sum(rng)
        letter = task.answer.split(" ")[0]
        frame = rng.choice(ASK_EQUATION if " = " in task.text else ASK_SUM)
        messages.append({"role": "user", "content": put(frame, it=task.text, x=letter)})
        messages.append({"role": "assistant", "content": worked(task)})
    return {"messages": messages, "source": "arithmetic"}
