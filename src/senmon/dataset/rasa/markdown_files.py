"""Rasa 1.x Markdown: `nlu.md`, `stories.md`, `responses.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from senmon.dataset.rasa.annotated import read_example
from senmon.dataset.rasa.bot import (
    ActionStep,
    Asked,
    Bot,
    CheckpointStep,
    LoopStep,
    Place,
    Response,
    SlotStep,
    Step,
    Story,
    UserStep,
)
from senmon.dataset.rasa.nlu_yaml import KINDS, add_line, note_lookup_file
from senmon.dataset.rasa.story_yaml import MAX_STEPS

_NLU_HEADING = re.compile(r"##\s*(\w+)\s*:\s*(\S.*)")
_ITEM = re.compile(r"[-*+]\s+(\S.*)")
_OR = re.compile(r"\s+OR\s+")
_COMMENT_START, _COMMENT_END = "<!--", "-->"
_COMMENT_MARKS = re.compile("(<!--|-->)")


def markdown_kind(text: str) -> str:
    """`nlu`, `stories`, `responses`, or "" for Markdown that is no training data."""
    headings = [line for line in text.split("\n") if line.startswith("##")]
    if any((match := _NLU_HEADING.match(line)) and match[1] in KINDS for line in headings):
        return "nlu"
    lines = [line.strip() for line in text.split("\n")]
    asked = [line for line in lines if re.match(r"\*\s+\S", line)]
    acted = any(re.match(r"-\s+(?:utter_|action_|respond_|slot\{|form\{|\w+_form\b)", line) for line in lines)
    if headings and asked and acted:
        return "stories"
    if headings and asked and all("/" in line for line in asked):
        return "responses"
    return ""


def _lines(text: str, file: str) -> Iterator[tuple[str, Place]]:
    """Lines without comments, with their places."""
    hidden = False
    for number, line in enumerate(text.split("\n"), start=1):
        kept = []
        for part in _COMMENT_MARKS.split(line):
            if part == (_COMMENT_END if hidden else _COMMENT_START):
                hidden = not hidden
            elif not hidden:
                kept.append(part)
        yield "".join(kept).rstrip(), Place(file, number)


def read_nlu_markdown(bot: Bot, text: str, file: str) -> None:
    """Adds intents' examples, synonyms, regexes and lookup tables."""
    kind = name = ""
    for line, place in _lines(text, file):
        stripped = line.strip()
        if not stripped:
            continue
        if stripped.startswith("#"):
            match = _NLU_HEADING.fullmatch(stripped)
            kind, name = (match[1], match[2].strip()) if match else ("", "")
            if stripped.startswith("##") and kind not in KINDS:
                why = "is not an intent, synonym, regex or lookup"
                bot.fault(place, "", why, "write `## intent:name`")
                kind = ""
        elif kind == "lookup" and not _ITEM.fullmatch(stripped):
            note_lookup_file(bot, name, stripped, place)
        elif kind and (match := _ITEM.fullmatch(stripped)):
            add_line(bot, kind, name, match[1].strip(), place)
        else:
            bot.note("nlu", place, f"“{stripped[:60]}”", "stands under no heading that is read")


def read_responses_markdown(bot: Bot, text: str, file: str) -> None:
    """Adds the responses of retrieval intents: `## …`, `* faq/ask_x`, `  - text`."""
    name, where = "", Place(file)
    texts: dict[str, list[dict[str, Any]]] = {}
    places: dict[str, Place] = {}
    for line, place in _lines(text, file):
        stripped = line.strip()
        if stripped.startswith("* "):
            name, where = f"utter_{stripped[2:].strip()}", place
            places.setdefault(name, where)
        elif (match := _ITEM.fullmatch(stripped)) and name:
            texts.setdefault(name, []).append({"text": match[1].strip().replace("\\n", "\n")})
    for key, variations in texts.items():
        bot.responses[key] = Response(key, tuple(variations), places[key])


def read_stories_markdown(bot: Bot, text: str, file: str, *, tests: bool) -> None:
    """Adds the stories of a `stories.md`."""
    name, where = "", Place(file)
    steps: list[Step] = []

    def close() -> None:
        if steps:
            kind = "test" if tests else "story"
            bot.stories.append(Story(name[:120] or where.path, kind, tuple(steps), where))
            steps.clear()

    for line, place in _lines(text, file):
        stripped = line.strip()
        if stripped.startswith("#"):
            close()
            name, where = stripped.lstrip("#").strip(), place
        elif stripped and (step := _step(bot, stripped, place)):
            steps.append(step)
            if len(steps) > MAX_STEPS:
                bot.fault(place, "", f"“{name[:60]}” has more than {MAX_STEPS} steps", "divide it")
                steps.clear()
    close()


def _step(bot: Bot, line: str, place: Place) -> Step | None:
    if line.startswith(">"):
        return CheckpointStep(line[1:].strip(), place)
    match = _ITEM.fullmatch(line)
    if match is None:
        bot.note("story", place, f"“{line[:60]}”", "is not a step")
        return None
    if line.startswith("*"):
        choices = [asked for part in _OR.split(match[1]) if (asked := _asked(bot, part.strip(), place))]
        return UserStep(tuple(choices), place) if choices else None
    return _event(bot, match[1].strip(), place)


def _event(bot: Bot, text: str, place: Place) -> Step | None:
    head, values = _braces(bot, text, place)
    if head == "slot":
        return SlotStep(tuple(values.items()), place)
    if head in ("form", "active_loop"):
        return LoopStep(str(values.get("name") or ""), place)
    if head in ("reset_slots", "restart", "rewind", "undo", "pause", "export"):
        bot.note("story", place, f"event `{head}`", "events of stories are not replayed")
        return None
    return ActionStep(head, place)


def _asked(bot: Bot, text: str, place: Place) -> Asked | None:
    """`greet{"name": "Ann"}`, or in tests `greet: hello [Ann](name)`."""
    match = re.match(r"([^\s:{}]+)\s*:\s+(\S.*)", text)
    if match is None:
        head, values = _braces(bot, text, place)
        entities = tuple((key, "" if value is None else str(value)) for key, value in values.items())
        return Asked(head.lstrip("/"), entities) if head else None
    try:
        return Asked(match[1].lstrip("/"), (), read_example(match[2]))
    except ValueError as error:
        bot.fault(place, "", str(error), "correct the annotation")
        return None


def _braces(bot: Bot, text: str, place: Place) -> tuple[str, dict[str, Any]]:
    """`name{"key": "value"}` → name and values."""
    head, brace, rest = text.partition("{")
    if not brace:
        return head.strip(), {}
    try:
        values = json.loads("{" + rest)
    except (ValueError, RecursionError):
        bot.fault(place, "", f"`{text[:60]}` has broken JSON", 'write name{"key": "value"}')
        return head.strip(), {}
    return head.strip(), values if isinstance(values, dict) else {}
