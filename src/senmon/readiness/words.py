"""How varied the words are: distinct n-grams, types per token, openings."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from senmon.dataset.example import Dataset

#: Tokens that a figure is taken over: type/token and distinct-n fall with the size of a text, so that packs
#: can only be compared at one size.
WINDOW = 4000
OPENINGS = 12
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|\[\[[\w.]+\]\]")


@dataclass(frozen=True, slots=True)
class Words:
    """`distinct1`, `distinct2`, `distinct3`: different n-grams per n-gram (Li et al. 2016, arXiv
    1510.03055) over
    the first `window` words in hash order; `vocabulary` counts all. `openings`: the commonest first
    three words
    with their share."""

    texts: int
    distinct_texts: int
    words: int
    vocabulary: int
    window: int
    distinct1: float
    distinct2: float
    distinct3: float
    openings: tuple[tuple[str, float], ...]


def request_words(dataset: Dataset) -> Words:
    return measure_words([example.request for example in dataset.split("train")])


def reply_words(dataset: Dataset) -> Words:
    return measure_words(
        [
            message.content
            for example in dataset.split("train")
            for message in example.messages
            if message.role == "assistant" and message.content
        ]
    )


def measure_words(texts: Sequence[str]) -> Words:
    vocabulary: Counter[str] = Counter()
    openings: Counter[str] = Counter()
    for text in texts:
        found = split(text)
        vocabulary.update(found)
        openings[" ".join(found[:3])] += 1
    chosen = _window(texts)
    distinct = [_distinct(chosen, size) for size in (1, 2, 3)]
    return Words(
        texts=len(texts),
        distinct_texts=len(set(texts)),
        words=sum(vocabulary.values()),
        vocabulary=len(vocabulary),
        window=sum(map(len, chosen)),
        distinct1=distinct[0],
        distinct2=distinct[1],
        distinct3=distinct[2],
        openings=tuple((words, count / len(texts)) for words, count in openings.most_common(OPENINGS)),
    )


def split(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _window(texts: Iterable[str]) -> list[list[str]]:
    """Texts, in an order that no file decides, up to WINDOW words."""
    chosen: list[list[str]] = []
    total = 0
    ordered = sorted(
        enumerate(texts), key=lambda pair: (zlib.crc32(pair[1].encode("utf-8", "replace")), pair[0])
    )
    for _, text in ordered:
        words = list(islice(split(text), WINDOW - total))
        chosen.append(words)
        total += len(words)
        if total >= WINDOW:
            break
    return chosen


def _distinct(texts: Iterable[list[str]], size: int) -> float:
    grams = [tuple(words[at : at + size]) for words in texts for at in range(len(words) - size + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0
