"""`nlu:` of a 2.x or 3.x file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from senmon.dataset.rasa.annotated import read_example
from senmon.dataset.rasa.bot import Bot, Example, Place
from senmon.dataset.rasa.yaml_part import Part
from senmon.dataset.record import MAX_LABEL

KINDS = ("intent", "synonym", "regex", "lookup")
_FORMAT = re.compile(r"\s*-(?:\s+|$)(.*)")


def read_nlu(part: Part) -> None:
    """Adds the intents' examples, synonyms, regexes and lookup tables of the list `part`."""
    for item in part.entries():
        kind = next((kind for kind in KINDS if kind in item), None)
        if kind is None:
            item.fault("is not an intent, synonym, regex or lookup", "begin it with `- intent: name`")
            continue
        name = item.get(kind).text().strip()
        if not name:
            continue
        for known in item.items():
            if known.name == "metadata":
                known.note("nlu", f"metadata of {kind} `{name}`", "has no counterpart")
            elif known.name not in (kind, "examples"):
                known.note("nlu", f"`{known.name}` of {kind} `{name}`", "is not a field that is known here")
        if kind == "lookup":
            _read_lookup(item, name)
        else:
            for text, place in _lines(item):
                add_line(item.bot, kind, name, text, place)


def _read_lookup(item: Part, name: str) -> None:
    examples = item.get("examples")
    first = str(examples.value or "").strip()
    if examples.value is not None and not first.startswith("-") and isinstance(examples.value, str):
        note_lookup_file(item.bot, name, first, examples.place)
        return
    for text, place in _lines(item):
        add_line(item.bot, "lookup", name, text, place)


def note_lookup_file(bot: Bot, name: str, file: str, place: Place) -> None:
    """A lookup table in a file of its own: read later, when all files are known."""
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        bot.fault(
            place, f"lookup {name}", f"`{file[:80]}` leads out of the bot's folder", "name a file inside it"
        )
        return
    bot.lookup_files.append((name, file, place))


def _lines(item: Part) -> Iterator[tuple[str, Place]]:
    """The examples under `item`: a block of `- …` lines, or a list of texts or of `text:` mappings."""
    examples = item.get("examples")
    if isinstance(examples.value, str):
        yield from _block(examples)
        return
    if examples.value is None:
        item.note("nlu", f"`{item.value and next(iter(item.value.values()))}`", "has no examples", "add some")
        return
    for entry in examples.entries():
        if isinstance(entry.value, dict):
            for extra in entry.items():
                if extra.name != "text":
                    extra.note("nlu", f"`{extra.name}` of an example", "has no counterpart")
            entry = entry.get("text")
        text = entry.text().strip()
        yield (match[1] if (match := _FORMAT.fullmatch(text)) else text), entry.place


def _block(examples: Part) -> Iterator[tuple[str, Place]]:
    first = examples.place.line + 1
    for offset, line in enumerate(examples.value.split("\n")):
        place = Place(examples.file, first + offset)
        match = _FORMAT.fullmatch(line)
        if match and match[1].strip():
            yield match[1].strip(), place
        elif line.strip() and not line.strip().startswith("#"):
            examples.bot.note(
                "nlu", place, f"“{line.strip()[:60]}”", "is not an example", "begin it with `- `"
            )


def add_line(bot: Bot, kind: str, name: str, text: str, place: Place) -> None:
    """One line under a heading: an example, a synonym, a pattern or a value."""
    if kind == "synonym":
        bot.synonyms[text.lower()] = (name, place)
    elif kind == "regex":
        bot.regexes.setdefault(name, []).append((text, place))
    elif kind == "lookup":
        bot.lookups.setdefault(name, []).append(text)
    elif len(name) > MAX_LABEL or not name.isprintable():
        bot.fault(place, "intent", f"`{name[:40]}…` can't be a label", f"use at most {MAX_LABEL} characters")
    else:
        _add_example(bot, name, text, place)


def _add_example(bot: Bot, intent: str, text: str, place: Place) -> None:
    try:
        said = read_example(text)
    except ValueError as error:
        bot.fault(place, f"intent {intent}", str(error), 'write [text](entity) or [text]{"entity": "name"}')
        return
    if said.text:
        bot.examples.append(Example(intent, said, place))
