"""`stories:` and `rules:` of a 2.x or 3.x file, and the steps of test stories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from senmon.dataset.rasa.annotated import read_example
from senmon.dataset.rasa.bot import (
    ActionStep,
    Asked,
    BotStep,
    CheckpointStep,
    LoopStep,
    SlotStep,
    Step,
    Story,
    UserStep,
    Utterance,
)
from senmon.dataset.rasa.yaml_part import Part

MAX_STEPS = 200


def read_stories(part: Part, kind: str, *, tests: bool) -> None:
    """Adds the stories or rules of the list `part`. `kind` is "story" or "rule"."""
    for item in part.entries():
        if kind not in item:
            item.fault(f"is not a {kind}", f"begin it with `- {kind}: name`")
            continue
        for extra in item.items():
            if extra.name not in (kind, "steps", "condition", "metadata"):
                extra.note(kind, f"`{extra.name}` of “{_name(item, kind)}”", "has no counterpart")
        steps = tuple(_steps(item.get("steps")))
        if len(steps) > MAX_STEPS:
            item.fault(f"has more than {MAX_STEPS} steps", "divide it")
        elif not steps:
            item.note(kind, f"“{_name(item, kind)}”", "has no steps")
        else:
            form = _condition(item.get("condition"), kind)
            made = Story(_name(item, kind), "test" if tests else kind, steps, item.place, form)
            part.bot.stories.append(made)


def _name(item: Part, kind: str) -> str:
    return str(item.value.get(kind) or "")[:120].strip()


def _condition(part: Part, kind: str) -> str | None:
    """The form that must be active ("": none). What slots must hold is noted: the model sees no slots."""
    form: str | None = None
    for entry in part.entries():
        if "active_loop" in entry:
            form = str(entry.value["active_loop"] or "")
        elif "slot_was_set" in entry:
            for name, value in _slots(entry.get("slot_was_set")):
                what = f"condition `{name}: {value}`"
                entry.note(
                    kind, what, "conditions on slots are not expressed: the model sees the conversation"
                )
        else:
            entry.note(
                kind, f"condition `{next(iter(entry.value or ['']), '')}`", "is not one that is known here"
            )
    return form


def _steps(part: Part) -> Iterator[Step]:
    for entry in part.entries():
        step = _step(entry)
        if step is not None:
            yield step


def _step(entry: Part) -> Step | None:
    if not isinstance(entry.value, Mapping):
        if entry.value != "...":
            entry.fault("is not a step", "write `- intent: name` or `- action: name`")
        return None
    read = next((reader for key, reader in _READERS.items() if key in entry), None)
    if read is None:
        entry.note("story", f"step `{next(iter(entry.value), '')}`", "is not one that is known here")
    return read(entry) if read else None


def _user_step(entry: Part) -> Step | None:
    asked = _asked(entry)
    return UserStep((asked,), entry.place) if asked else None


def _action_step(entry: Part) -> Step | None:
    name = entry.get("action").text().strip()
    return ActionStep(name, entry.place) if name else None


def _loop_step(entry: Part) -> Step:
    name = entry.value.get("active_loop", entry.value.get("form"))
    return LoopStep("" if name is None else str(name), entry.place)


def _checkpoint(entry: Part) -> Step:
    if entry.value.get("slot_was_set"):
        entry.note("story", "slots of a checkpoint", "conditions on slots are not expressed")
    return CheckpointStep(entry.get("checkpoint").text(), entry.place)


def _alternatives(part: Part) -> Step | None:
    choices: list[Asked] = []
    for entry in part.entries():
        if "slot_was_set" in entry:
            return SlotStep(tuple(_slots(entry.get("slot_was_set"))), part.place)
        asked = _asked(entry) if "intent" in entry or "user" in entry else None
        if asked:
            choices.append(asked)
        else:
            entry.fault("is not an alternative", "write `- intent: name` under `or:`")
    return UserStep(tuple(choices), part.place) if choices else None


def _asked(entry: Part) -> Asked | None:
    intent = entry.get("intent").text().strip().lstrip("/") if entry.get("intent").value is not None else ""
    said = _said(entry) if entry.get("user").value is not None else None
    if not intent and said is None:
        return None
    return Asked(intent, tuple(_entities(entry.get("entities"))), said)


def _said(entry: Part) -> Utterance | None:
    user = entry.get("user")
    try:
        return read_example(user.text().strip())
    except ValueError as error:
        user.fault(str(error), "correct the annotation")
        return None


def _entities(part: Part) -> Iterator[tuple[str, str]]:
    """`- city: Rome`, or `- city` alone (any value: "")."""
    for entry in part.entries():
        if isinstance(entry.value, Mapping):
            yield from (
                (item.name, str(item.value or ""))
                for item in entry.items()
                if item.name not in ("role", "group")
            )
        elif name := entry.text():
            yield name, ""


def _slots(part: Part) -> Iterator[tuple[str, object]]:
    entries = part.items() if isinstance(part.value, Mapping) else part.entries()
    for entry in entries:
        if isinstance(entry.value, Mapping):
            yield from ((item.name, item.value) for item in entry.items())
        elif isinstance(part.value, Mapping):
            yield entry.name, entry.value
        elif isinstance(entry.value, str):
            yield entry.value, True


_READERS: Mapping[str, Callable[[Part], Step | None]] = {
    "or": lambda entry: _alternatives(entry.get("or")),
    "intent": _user_step,
    "user": _user_step,
    "action": _action_step,
    "bot": lambda entry: BotStep(entry.get("bot").text(), entry.place),
    "active_loop": _loop_step,
    "form": _loop_step,
    "checkpoint": _checkpoint,
    "slot_was_set": lambda entry: SlotStep(tuple(_slots(entry.get("slot_was_set"))), entry.place),
}
