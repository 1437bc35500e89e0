"""`generate/*.yaml` of a pack: conversations with slots, filled alike in words, calls and results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from pydantic import Field, ValidationError

from senmon.dataset.generation.candidate import Candidate
from senmon.dataset.generation.slots import Slot
from senmon.errors import Problem
from senmon.packs.inventory import take_inventory
from senmon.packs.manifest import Strict
from senmon.packs.model_problems import model_problems
from senmon.packs.pack import Pack
from senmon.packs.text_file import invalid, read_text
from senmon.packs.yaml_text import parse_yaml

FOLDER = "generate/*.yaml"
_SLOT = re.compile(r"(?<!\{)\{([a-z_][a-z0-9_]*)\}(?!\})")
_SYNONYM = re.compile(r"\{~([a-z_][a-z0-9_]*)\}")
_INNER = re.compile(r"\(([^()\[\]]*)\)|(?<!\[)\[([^()\[\]]*)\](?!\])")


class Template(Strict):
    """One conversation. A user's text may hold `(this|that)`, `[perhaps]`, `{~synonym}`."""

    intent: str = Field(description="Intent of the examples.", min_length=1, max_length=80)
    name: str = Field("", description="Told in the origin of its examples; default: its place in the file.")
    messages: tuple[dict[str, Any], ...] = Field(
        description="As in a data line; texts may hold {slot}; a text may be a list of alternatives.",
        min_length=2,
    )


class TemplateFile(Strict):
    """Slots, synonyms and templates."""

    slots: dict[str, Slot] = Field(default_factory=dict, description="Name → what it may be.")
    synonyms: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Name → ways of saying it; texts refer to it as {~name}."
    )
    templates: tuple[Template, ...] = Field(description="The conversations.", min_length=1)


@dataclass(frozen=True, slots=True)
class NamedTemplate:
    """A template with the file that holds its slots. `name` is `file/name`."""

    name: str
    template: Template
    file: TemplateFile


def load_templates(pack: Pack) -> tuple[NamedTemplate, ...]:
    """Every template of the pack, none without `generate/*.yaml`. Raises PackInvalid with all problems."""
    found: list[NamedTemplate] = []
    problems: list[Problem] = []
    for name in take_inventory(pack.path).match(FOLDER):
        path = pack.path / name
        source = parse_yaml(read_text(path), str(path))
        try:
            file = TemplateFile.model_validate(source.value if source.value is not None else {})
        except ValidationError as error:
            problems += model_problems(TemplateFile, error, source, str(path))
            continue
        for index, template in enumerate(file.templates):
            line = source.line(("templates", index))
            problems += (
                Problem(str(path), line, f"templates.{index}", why, remedy)
                for why, remedy in _unknown(template, file)
            )
            found.append(NamedTemplate(f"{Path(name).stem}/{template.name or index}", template, file))
    if problems:
        raise invalid(*problems)
    return tuple(found)


def filled(named: NamedTemplate, random: Random, seed: int) -> Candidate:
    """One conversation: each slot has one value throughout."""
    values: dict[str, Any] = {}

    def value(slot: str) -> Any:
        if slot not in values:
            values[slot] = named.file.slots[slot].value(random)
        return values[slot]

    def fill(text: str) -> Any:
        whole = _SLOT.fullmatch(text)
        if whole:
            return value(whole[1])
        plain = _SLOT.sub(lambda match: str(value(match[1])), text)
        return plain.replace("{{", "{").replace("}}", "}")

    def walk(item: Any, key: str = "") -> Any:
        if isinstance(item, Mapping):
            return {name: walk(inner, str(name)) for name, inner in item.items()}
        if isinstance(item, list) and key == "content":
            return walk(random.choice(item), key)
        if isinstance(item, list):
            return [walk(inner) for inner in item]
        return fill(item) if isinstance(item, str) else item

    messages = [walk(_chosen(message, named.file, random)) for message in named.template.messages]
    for message in messages:
        if message.get("role") in ("user", "assistant") and message.get("content") is not None:
            message["content"] = str(message["content"])
    return Candidate("templates", seed, named.name, named.template.intent, tuple(messages))


def _chosen(message: Mapping[str, Any], file: TemplateFile, random: Random) -> Mapping[str, Any]:
    """A user's message with its alternatives, options and synonyms decided."""
    content = message.get("content")
    if message.get("role") != "user" or content is None:
        return message
    text = str(random.choice(content) if isinstance(content, list) else content)
    return {**message, "content": worded(text, file.synonyms, random)}


def worded(text: str, synonyms: Mapping[str, Sequence[str]], random: Random) -> str:
    """`(a|b)` and `[c]` decided from the inside out, `{~name}` replaced; single spaces, a capital kept."""
    text = _SYNONYM.sub(lambda match: random.choice(synonyms[match[1]]), text)
    for _ in range(20):
        text, count = _INNER.subn(lambda match: _decided(match, random), text)
        if not count:
            break
    return re.sub(r"\s+([,.?!])", r"\1", " ".join(text.split())).strip(" ,")


def _decided(match: re.Match[str], random: Random) -> str:
    chosen: str = random.choice((match[2] if match[1] is None else match[1]).split("|"))
    return chosen if match[1] is not None or random.random() < 0.5 else ""


def _unknown(template: Template, file: TemplateFile) -> Iterator[tuple[str, str]]:
    text = "\n".join(_strings(template.messages))
    for synonym in sorted(
        set(_SYNONYM.findall(text)) - {name for name, ways in file.synonyms.items() if ways}
    ):
        yield f"{{~{synonym}}} is no synonym here", f"known: {', '.join(file.synonyms) or 'none'}"
    ways = "\n".join(way for each in file.synonyms.values() for way in each)
    for slot in sorted(set(_SLOT.findall(f"{text}\n{ways}")) - set(file.slots)):
        yield f"{{{slot}}} is no slot here", f"known: {', '.join(file.slots) or 'none'}"


def _strings(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, Mapping):
        for inner in item.values():
            yield from _strings(inner)
    elif isinstance(item, list | tuple):
        for inner in item:
            yield from _strings(inner)
