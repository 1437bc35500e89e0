"""The same words as different visitors would type them."""

from __future__ import annotations

import re
from random import Random

from seeds import TALK


def typo(rng: Random, text: str) -> str:
    """One slip in one longer word; placeholders and numbers stay."""
    words = text.split(" ")
    places = [index for index, word in enumerate(words) if re.fullmatch(r"[A-Za-z]{4,}", word)]
    if not places:
        return text
    index = rng.choice(places)
    word, at = words[index], rng.randrange(1, len(words[index]) - 1)
    slips = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
    )
    words[index] = rng.choice(slips)
    return " ".join(words)


def lower_first(text: str) -> str:
    return text if re.match(r"I\b|\{", text) else text[:1].lower() + text[1:]


def surface(rng: Random, text: str) -> str:
    """The same words as another visitor would type them."""
    ways, style = TALK["surface"], rng.random()
    if style < 0.3:
        return text
    if rng.random() < 0.3:
        text = typo(rng, text)
    if style < 0.42:
        return text.lower().replace("'", "").rstrip(".?!")
    if style < 0.46:
        return re.sub(r"[a-z']+(?![a-z']*\})", lambda match: match.group().upper(), text)
    if style < 0.62:
        return rng.choice(ways["before"]) + lower_first(text)
    if style < 0.82:
        return text.rstrip(".?!") + rng.choice(ways["after"])
    if style < 0.9:
        return rng.choice(ways["story"]) + text[:1].upper() + text[1:]
    return rng.choice(ways["before"]) + lower_first(text).rstrip(".?!") + rng.choice(ways["after"])


def brief(rng: Random, text: str) -> str:
    """Small talk: nothing but case, stops and slips."""
    text = typo(rng, text) if rng.random() < 0.25 else text
    return rng.choice((text, text.lower(), text.rstrip(".?!"), f"{text}!", f"{text} 🙂", text.capitalize()))


def written_id(rng: Random, template: str, digits: str) -> str:
    """An order number as people type it; bare digits only where they can be told from other numbers."""
    if re.search(r"(order|number) \{id\}", template) and rng.random() < 0.2:
        return digits
    return rng.choices([f"A{digits}", f"a{digits}", f"A-{digits}", f"#{digits}"], [14, 4, 1, 1])[0]
