"""The pack that `senmon bench loop` writes, and what its visitors say: of `loop_club.yaml` and a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

NAME = "club"
TEXTS = Path(__file__).with_name("loop_club.yaml")
#: Wordings of a list that are learnt; the others measure.
LEARNT = 11

_MANIFEST: Mapping[str, Any] = {
    "name": NAME,
    "title": "Maths club",
    "description": "Questions about a maths club, and first help with fractions.",
    "licence": "CC0-1.0",
    "data": {"valid_percent": 10},
    "context": {"passages": 1, "passage_tokens": 120},
    "checks": [{"name": "references"}, {"name": "grounded"}],
    "routing": {"negatives": "negatives.jsonl", "always": ["greeting"]},
}
_SYSTEM = "You are the assistant of a maths club. Answer in one or two short sentences.\n"


@dataclass(frozen=True, slots=True)
class Ask:
    """A message and what a right reply to it has in it. `gap`: nobody taught it."""

    intent: str
    text: str
    expect: str
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Right:
    """What a reviewer writes for a gap."""

    reply: str
    articles: tuple[str, ...]
    what: str


def write_club(folder: Path, seed: int, each: int = 24, *, only: Collection[str] = ()) -> Path:
    """The pack, with `each` examples of an intent: the changed policy as it was, the other gaps left out.
    `only` these intents are in it; empty: all."""
    for sub in ("data", "knowledge", "eval"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / "pack.yaml").write_text(yaml.safe_dump(dict(_MANIFEST), sort_keys=False), encoding="utf-8")
    (folder / "system.md").write_text(_SYSTEM, encoding="utf-8")
    for intent, told in _everything().items():
        if "article" in told:
            (folder / "knowledge" / f"{intent}.md").write_text(_article(told["article"]), encoding="utf-8")
    draw = random.Random(seed)
    taught = [(intent, told) for intent, told in _taught() if not only or intent in only]
    lines = [_example(intent, told, text) for intent, told in taught for text in _drawn(told, draw, each)]
    _write_lines(folder / "data" / "train.jsonl", lines)
    _write_lines(folder / "negatives.jsonl", ({"text": text} for text in _texts()["strangers"]))
    return folder


def visits(seed: int, each: int) -> tuple[Ask, ...]:
    """What visitors write about the gaps: `each` messages of each gap, mingled."""
    draw = random.Random(seed)
    asks = [
        Ask(intent, text, told["expect"], gap=True)
        for intent, told in _texts()["gaps"].items()
        for text in _drawn(told, draw, each)
    ]
    draw.shuffle(asks)
    return tuple(asks)


def held_out(seed: int, each: int, of_gap: int) -> tuple[Ask, ...]:
    """Wordings that nobody learns: `each` of each regular intent, `of_gap` of each gap."""
    draw = random.Random(seed)
    asks = []
    for intent, told in _everything().items():
        gap = "expect" in told
        expect = told["expect"] if gap else _expected(told["reply"])
        asks += [
            Ask(intent, text, expect, gap)
            for text in _drawn(told, draw, of_gap if gap else each, learnt=False)
        ]
    return tuple(asks)


def right(intent: str) -> Right:
    """The reviewer's correction for a gap."""
    told = _texts()["gaps"][intent]
    return Right(told["reply"], (intent,) if "article" in told else (), told["what"])


@cache
def _texts() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return found


def _everything() -> dict[str, Any]:
    return {**_texts()["regular"], **_texts()["gaps"]}


def _taught() -> list[tuple[str, Mapping[str, Any]]]:
    """What the pack teaches before anybody has corrected anything."""
    gaps = [
        (name, {**told, "reply": told["former"]})
        for name, told in _texts()["gaps"].items()
        if "former" in told
    ]
    return [*_texts()["regular"].items(), *gaps]


def _drawn(told: Mapping[str, Any], draw: random.Random, count: int, *, learnt: bool = True) -> list[str]:
    """So many different messages; each wording gets its turn."""
    wordings = told["asked"][:LEARNT] if learnt else told["asked"][LEARNT:]
    found: dict[str, None] = {}
    for number in range(count * 40):
        if len(found) == count:
            break
        opener, tail = draw.choice(_texts()["openers"]), draw.choice(_texts()["tails"])
        found.setdefault(f"{opener}{_filled(wordings[number % len(wordings)], draw)}{tail}")
    return list(found)


def _filled(text: str, draw: random.Random) -> str:
    if "{" not in text:
        return text
    c = draw.randint(3, 12)
    a, b, d = draw.randint(1, c - 1), draw.randint(1, c - 1), c + draw.randint(1, 9)
    return text.format(a=a, b=b, c=c, d=d, s=a + b, cc=2 * c)


def _expected(reply: str) -> str:
    """The longest piece of a reply that no fact is filled into."""
    pieces = reply.replace("[[", "\0").replace("]]", "\0").split("\0")[::2]
    return max((piece.strip(" .,;") for piece in pieces), key=len)


def _example(intent: str, told: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    shown = [{"role": "tool", "name": "context", "passages": [intent]}] if "article" in told else []
    said = {"role": "assistant", "content": told["reply"]}
    return {"intent": intent, "messages": [{"role": "user", "content": text}, *shown, said]}


def _article(told: Mapping[str, Any]) -> str:
    head = yaml.safe_dump({"title": told["title"], "facts": told["facts"]}, allow_unicode=True)
    return f"---\n{head}---\n{told['text']}\n"


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
