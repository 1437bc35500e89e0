"""A request in other words, by rule. Ids, numbers, names and the intent stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from senmon.dataset.generation.protected import Span, protected_texts
from senmon.dataset.generation.sentence_frames import framed, opened, reordered, reworded

_GREETING = re.compile(
    r"^(?:hi(?: there)?|hello|hey|good (?:morning|evening|afternoon)|quick question|excuse me|"
    r"sorry to bother you|ok|so)[,:!.]? +(?=\S)",
    re.I,
)  # fmt: skip
_THANKS = re.compile(
    r"(?:[,.!?]* +(?:please|pls|plz|thanks(?: in advance| a lot)?|thank you(?: very much)?|thx|asap|"
    r"can you help\??|🙂))+[.!?]*$",
    re.I,
)
_SENTENCE = re.compile(r"[^.?!]+[.?!]+|[^.?!]+$")
MOST_CHARACTERS = 160


def paraphrases(text: str, spans: Sequence[Span], random: Random) -> list[str]:
    """Ways to say `text`, best first; empty when no rule understands it. `spans` stay as they are."""
    if sum(letter.isupper() for letter in text) > len(text) / 3:
        return []
    kept = protected_texts(text, spans)
    texts = [text[start:end] for start, end in spans]
    found = [candidate for candidate in _ways(text, random) if len(candidate) <= MOST_CHARACTERS]
    return [way for way in dict.fromkeys(found) if way != text and _kept(way, texts, kept)]


def _ways(text: str, random: Random) -> list[str]:
    core = _core(text)
    ways = framed(core, random)
    if ways:
        return [opened(way, random) if random.random() < 0.2 else way for way in ways]
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(text)]
    turned = reordered(sentences)
    if turned:
        ways.append(turned)
    for index, sentence in enumerate(sentences):
        if len(sentences) == 2 and (inner := framed(_core(sentence), random)):
            ways += [" ".join([*sentences[:index], way, *sentences[index + 1 :]]) for way in inner]
    return ways + reworded(text, random)


def _core(text: str) -> str:
    """Without greeting, thanks and end marks."""
    text = _THANKS.sub("", text.strip())
    text = _GREETING.sub("", text)
    return re.sub(r"[.?!…]+$", "", text).strip()


def _kept(way: str, texts: Sequence[str], kept: Sequence[str]) -> bool:
    """Whether every protected text is there as often as before, contractions aside."""
    low = way.casefold()
    wanted = [text for text in kept if not re.fullmatch(r"\w+['’]\w+|not|no|never", text)]
    negative = re.compile(r"\b(?:not|no|never|none|nothing|without|\w+n['’]t)\b", re.I)
    before = bool(negative.search(" ".join(texts)))
    return all(low.count(text) >= wanted.count(text) for text in wanted) and before == bool(
        negative.search(way)
    )
