"""Rasa's annotated examples: `book [Rome](city) for [two]{"entity": "number", "value": "2"}`."""

from __future__ import annotations

import json
from typing import Any

from senmon.dataset.rasa.bot import Entity, Utterance

MAX_EXAMPLE = 4_000
_DECODER = json.JSONDecoder()


def read_example(text: str) -> Utterance:
    """The text without its marks, and its entities. Raises ValueError when an annotation is broken.

    Linear in the length of the text. Brackets without an annotation behind them stay as they are.
    """
    if len(text) > MAX_EXAMPLE:
        raise ValueError(f"is longer than {MAX_EXAMPLE:,} characters")
    plain: list[str] = []
    entities: list[Entity] = []
    position = 0
    while (start := text.find("[", position)) >= 0 and (end := text.find("]", start)) >= 0:
        start = text.rfind("[", start, end)  # `[a [b](x)`: the inner one is the annotation
        plain.append(text[position:start])
        words, after = text[start + 1 : end], text[end + 1 : end + 2]
        if words and after in ("(", "{", "["):
            found, position = _annotation(text, words, end + 1)
            entities += found
            plain.append(words if found else text[start:position])
        else:
            plain.append(text[start : end + 1])
            position = end + 1
    plain.append(text[position:])
    return Utterance("".join(plain).strip(), tuple(entities))


def _annotation(text: str, words: str, at: int) -> tuple[list[Entity], int]:
    """The entities at `at`, and where the text goes on; none when it is no annotation."""
    if text[at] == "(":
        end = text.find(")", at)
        name, _, value = text[at + 1 : end].partition(":") if end > 0 else ("", "", "")
        if not name.strip():
            return [], at
        return [Entity(name.strip(), value or words, words)], end + 1
    try:
        given, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        if text[at] == "[":  # two brackets side by side are only text
            return [], at
        raise ValueError(f"has a broken annotation behind `[{words[:40]}]`") from error
    parts = given if isinstance(given, list) else [given]
    if text[at] == "[" and not (parts and all(isinstance(part, dict) for part in parts)):
        return [], at
    return [_entity(part, words) for part in parts], end


def _entity(given: Any, words: str) -> Entity:
    if not isinstance(given, dict) or not isinstance(given.get("entity"), str) or not given["entity"]:
        raise ValueError(f"has an annotation without an entity behind `[{words[:40]}]`")
    value = given.get("value", words)
    texts = {key: str(given.get(key) or "") for key in ("role", "group")}
    return Entity(given["entity"], value if isinstance(value, str) else json.dumps(value), words, **texts)
