"""What two requests have in common once politeness, filler words and ids are taken away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from senmon.dataset.normal_form import request_key
from senmon.messages import Message

#: Politeness and small words. Negations, question words, prepositions of direction, `you` and `do` stay:
#: “do you give answers” is not “give me the answer”.
_FILLER = frozenset(
    [
        "a",
        "an",
        "the",
        "pls",
        "plz",
        "please",
        "kindly",
        "hi",
        "hello",
        "hey",
        "hiya",
        "dear",
        "good",
        "morning",
        "afternoon",
        "evening",
        "thanks",
        "thank",
        "thx",
        "cheers",
        "ok",
        "okay",
        "so",
        "well",
        "just",
        "um",
        "uh",
        "er",
        "hmm",
        "really",
        "quick",
        "quickly",
        "question",
        "me",
        "my",
        "mine",
        "our",
        "us",
        "some",
        "any",
        "of",
        "and",
    ]
)
#: Ways to begin a request that ask for nothing themselves.
_BEGINNINGS = re.compile(
    r"\b(?:(?:can|could|would|will) you|(?:can|could|may|might) (?:i|we)|(?:i|we) (?:want|need|wish"
    r"|would like|have|d like)"
    r"(?: to)?|(?:id|ive|wed) (?:like|got|want)(?: to)?|(?:im|i am) (?:trying|looking) to|tell me"
    r"|let me know|help me"
    r"|(?:one|a|just a)? ?quick question|sorry to bother(?: you)?(?: again)?)\b"
)
#: Fewer words can't do without the small ones.
_FEWEST = 2
_APOSTROPHE = re.compile(r"[’'`]")
_WORD = re.compile(r"[^\W_]+(?:[-+*/=^.,:%][^\W_]+)*|[+\-*/=<>^%€$£]|\S", re.UNICODE)


@lru_cache(maxsize=200_000)
def core(text: str, fewest: int = _FEWEST) -> str:
    """The words that carry a request, in order, ids made equal. Two requests with one core ask the same.

    Falls back to the normal form where fewer than `fewest` words would be left (`hi`, `thank you`).
    """
    key = request_key(_APOSTROPHE.sub("", text))
    for said in (_BEGINNINGS.sub(" ", key), key):
        words = [_stem(word) for word in _WORD.findall(said) if word not in _FILLER and not _is_picture(word)]
        if len(words) >= fewest:
            return " ".join(words)
    return key


def words_of(text: str) -> frozenset[str]:
    """The words of `core`, without order."""
    return frozenset(core(text).split())


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity; 1 for two empty sets."""
    together = one | other
    return len(one & other) / len(together) if together else 1.0


def user_turns(messages: Iterable[Message]) -> tuple[str, ...]:
    return tuple(message.content for message in messages if message.role == "user")


def _is_picture(word: str) -> bool:
    """An emoji, one of its parts, or a sign that stands for none."""
    return all(unicodedata.category(sign) in ("So", "Sk", "Mn", "Me", "Cf", "Cn", "Co") for sign in word)


def _stem(word: str) -> str:
    """Plural and singular are one; nothing cleverer, which would join what differs."""
    if len(word) > 4 and word.isalpha() and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
