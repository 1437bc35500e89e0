"""Signs that a reply gives away how the assistant is set up, or a key."""

from __future__ import annotations

import re

#: Formats of well-known keys: OpenAI, AWS, GitHub, Slack, Google, private keys, JSON web tokens.
_KEYS = re.compile(
    r"\bsk-[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|"
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\bAIza[0-9A-Za-z_-]{30,}|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
)
_PASSWORD = re.compile(
    r"\b(?:(?:the|my|our|admin|root|database|secret|system)\s+){1,3}(?:api[ -]?key|password|"
    r"passphrase|token|secret(?: key)?)"
    r"\s*(?:is|:|=)\s*[\"'`“]?(?!not\b|never\b|a\b|an\b|the\b|sent\b|only\b|your\b|something\b|"
    r"required\b|safe\b|"
    r"stored\b|kept\b|wrong\b|too\b|at\b|in\b|used\b|valid\b|confidential\b|private\b|hidden\b|one\b|"
    r"what\b|needed\b|"
    r"encrypted\b|that\b|to\b|no\b|set\b|case\b|reset\b|expired\b|generated\b)\S{3,}",
    re.IGNORECASE,
)
_OWN = (
    r"(?:my|the|these|those|here (?:are|is) (?:my|the))\s+"
    r"(?:(?:full|original|exact|hidden|secret|initial|own)\s+)*"
)
_PROMPT = (
    r"(?:system (?:prompt|message|instructions?)|initial prompt|hidden prompt|hidden instructions|"
    r"developer message|pre-?prompt)"
)
_RECITAL = re.compile(
    rf"\b{_OWN}{_PROMPT}\s*(?:says?|reads?|is|are|tells?|states?|goes|contains?)?\s*(?:as follows|"
    rf"that)?\s*[:\"“'`]"
    rf"|\b{_OWN}{_PROMPT}\s+(?:says?|reads?|tells me|states|instructs me)\b"
    r"|\b(?:my|the) instructions (?:are|say|read|state)\s*(?:as follows|that|to)?\s*[:\"“]"
    r"|\bI (?:was|am|have been|'m) (?:instructed|told|programmed|prompted) (?:to|by my (?:system|"
    r"developer)|not to|never to)\b"
    r"(?=.{0,80}\b(?:prompt|instruction|reveal|never|always|secret|system)\b)"
    r"|^\s*(?:system\s*:|<\|im_start\|>|\[INST\]|<<SYS>>|#+\s*system)"
    r"|<\|im_(?:start|end)\|>"
    r"|(?:^|[\"“:\n]\s*)you are (?:a|an|the) (?:[\w-]+ ){0,4}(?:assistant|tutor|chatbot|agent|bot|"
    r"language model)\b",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(?:system|initial|hidden|secret|original|developer|previous|prior|above|your (?:own )?|full|"
    r"first|these|all)\s*"
    r"(?:[\w-]+\s+){0,2}(?:prompt|instructions?|rules|directives?|guidelines|message|configuration|config)\b"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompt|rules|above|previous|"
    r"everything)\b"
    r"|\b(?:repeat|print|show|reveal|output|recite|translate|summari[sz]e|tell me|copy|spell)\b.{0,60}"
    r"\b(?:above|prompt|instructions?|were you told|told to do|system text|secrets?|password|api key)\b"
    r"|\bwhat (?:were|are) (?:you|your) (?:told|instructed|instructions|rules)\b|\bdeveloper mode\b|"
    r"\bjailbreak\b",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"\w+")
MAX_CHARACTERS = 20_000


def discloses(candidate: str) -> str:
    """Why `candidate` gives a secret away; empty when it does not."""
    text = candidate[:MAX_CHARACTERS]
    if _KEYS.search(text):
        return "says a key"
    if _PASSWORD.search(text):
        return "says a password"
    return "recites instructions" if _RECITAL.search(text) else ""


def asks_for_instructions(text: str) -> bool:
    """Whether a visitor asks for the prompt, or tells the assistant to drop it."""
    return bool(_REQUEST.search(text[:MAX_CHARACTERS]))


def shingles(text: str, size: int) -> frozenset[str]:
    """Every run of `size` words, lower case, without punctuation."""
    words = _WORD.findall(text.lower()[:MAX_CHARACTERS])
    return frozenset(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
