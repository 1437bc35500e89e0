"""Writes the training data of this pack: hand-written seeds (`seeds/*.yaml`) in varied conversations.

    python tools/generate.py [FOLDER]      # default: data/ of this pack

Deterministic: the same seeds give the same bytes. A question and all its variations stay in one split.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from article_talk import article_draws
from change_talk import change_draws
from order_talk import order_draws
from other_talk import talk_draws
from seeds import PACK, WORDS, Draw, Message, NotSaidError, Talk

#: Share of hand-written openings kept for the test and the validation split.
TEST, VALID = 0.06, 0.14
TRIES = 8
#: Words that don't make a request another one, and words that mean the same here.
EMPTY = set(WORDS["empty"].split())
SAME = {word: one for one, words in WORDS["same"].items() for word in words.split()}


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold().replace("'", "")).split())


def split_of(template: str) -> str:
    """By the words that carry the meaning, so that two wordings of one request stay together. What is said in
    one such word is learnt: there is nothing else that it could be told from."""
    words = sorted({SAME.get(word, word) for word in plain(template).split()} - EMPTY)
    if len(words) < 2:
        return "train"
    share = int.from_bytes(hashlib.sha256(" ".join(words).encode()).digest()[:8], "big") / 2**64
    return "test" if share < TEST else "valid" if share < VALID else "train"


def spoken(messages: list[Message]) -> str:
    said = [each for each in messages if each["role"] != "tool"]
    return "\n".join(plain(f"{each['content']} {json.dumps(each.get('tool_calls', ''))}") for each in said)


def lines(name: str, draws: Iterator[tuple[Draw, int]], seen: set[str]) -> Iterator[str]:
    """JSONL lines."""
    number = 0
    for index, (draw, wanted) in enumerate(draws):
        for copy in range(wanted):
            talk = fresh(draw, f"{name}:{index}:{copy}", seen)
            if talk is not None:
                number += 1
                template, intent, messages = talk
                record = {"id": f"{name}-{number:04}", "intent": intent, "split": split_of(template)}
                yield json.dumps({**record, "messages": messages}, ensure_ascii=False)


def fresh(draw: Draw, seed: str, seen: set[str]) -> Talk | None:
    """A conversation that was not drawn before; None after a few tries."""
    for attempt in range(TRIES):
        try:
            talk = draw(Random(f"{seed}:{attempt}"))
        except NotSaidError:
            continue
        if (key := spoken(talk[2])) not in seen:
            seen.add(key)
            return talk
    return None


def generate() -> dict[str, str]:
    """File name → content."""
    seen: set[str] = set()
    groups = {"articles": article_draws(), "orders": order_draws(), "changes": change_draws()}
    groups["talk"] = talk_draws()
    return {f"{name}.jsonl": "\n".join(lines(name, draws, seen)) + "\n" for name, draws in groups.items()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PACK / "data"
    for file, content in generate().items():
        (folder / file).write_text(content, encoding="utf-8")
        print(f"{file}: {content.count(chr(10))} conversations")
