"""The same words as different people would type them. `{slots}` stay as they are."""

from __future__ import annotations

import re
from random import Random

BEFORE = (
    "Hi, ", "Hello, ", "hey ", "Hey there, ", "Good morning, ", "good evening. ", "Excuse me, ", "quick question: ",
    "Hi again, ", "ok so ", "So, ", "um, ", "Dear team, ", "Sorry to bother you, ", "please, ", "Right, ", "Well, ",
    "Hello!! ", "hiya, ", "Good day. ", "Thanks for being here. ", "oh, ", "And ", "also, ", "yo ", "Alright, ",
)  # fmt: skip
AFTER = (
    ", please", " please", " thanks", ", thank you", "??", "?", "!", " asap", " if possible", ", cheers", "...",
    " when you have a moment", " :)", " 🙂", ", it's urgent", " pls", " thx", ", many thanks", " or not?", ", ok?",
)  # fmt: skip
STORIES = (
    "I'm on the phone with my mother about this. ", "I was away for a week. ", "My partner asked me to check. ",
    "I just got home. ", "I tried your website but it hangs. ", "I have been waiting for a while now. ",
    "My neighbour told me to write here. ", "I'm a bit confused. ", "It's my first time here. ",
    "I have only got a minute. ", "My daughter set this up for me. ", "I can't find my glasses, so sorry for typos. ",
    "I wrote yesterday already. ", "We are planning our week. ", "I lost the letter you sent. ",
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z]{4,}")
_LETTERS = re.compile(r"[a-z']+(?![a-z_']*\})")
SHORT = (
    ("you", "u"),
    ("are", "r"),
    ("please", "pls"),
    ("because", "bc"),
    ("I am", "im"),
    ("What is", "whats"),
)


def put(text: str, /, **values: object) -> str:
    """`{name}` replaced by its value."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def typo(rng: Random, text: str) -> str:
    """One slip in one longer word."""
    words = text.split(" ")
    places = [index for index, word in enumerate(words) if _WORD.fullmatch(word)]
    if not places:
        return text
    index = rng.choice(places)
    word, at = words[index], rng.randrange(1, len(words[index]) - 1)
    words[index] = rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + rng.choice("aeiorstn") + word[at + 1 :],
        )
    )
    return " ".join(words)


def lower_first(text: str) -> str:
    return text if re.match(r"I\b|I'|\{", text) else text[:1].lower() + text[1:]


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def surface(rng: Random, text: str) -> str:  # noqa: PLR0911 (one way each)
    """A sentence in one of many hands."""
    style = rng.random()
    if style < 0.22:
        return upper_first(text)
    if rng.random() < 0.3:
        text = typo(rng, text)
    if style < 0.36:
        return text.lower().replace("'", "").rstrip(".?!")
    if style < 0.41:
        long, short = rng.choice(SHORT)
        return text.replace(long, short).lower().rstrip(".?!")
    if style < 0.44:
        return _LETTERS.sub(lambda match: match.group().upper(), text)
    if style < 0.6:
        return rng.choice(BEFORE) + lower_first(text)
    if style < 0.78:
        return text.rstrip(".?!") + rng.choice(AFTER)
    if style < 0.9:
        return rng.choice(STORIES) + upper_first(text)
    return rng.choice(BEFORE) + lower_first(text).rstrip(".?!") + rng.choice(AFTER)


def brief(rng: Random, text: str) -> str:
    """Small talk: nothing but case, stops and slips."""
    text = typo(rng, text) if rng.random() < 0.2 else text
    return rng.choice(
        (text, text.lower(), text.rstrip(".?!"), f"{text}!", f"{text} 🙂", text.lower().rstrip(".?!"))
    )
