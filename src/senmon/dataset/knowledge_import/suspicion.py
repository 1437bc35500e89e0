"""Text in a page that speaks to a model rather than to a reader. It is kept as data, and pointed out."""

from __future__ import annotations

import re

_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules|guidelines)\b"
    r"|\byou are (?:now|no longer) (?:an?|the)\b|\b(?:system|developer) (?:prompt|message)\b"
    r"|\breveal (?:your|the) (?:instructions|prompt|password|key)|\bact as (?:an?|the|if)\b|\bjailbreak"
    r"|<\|[a-z_]{1,20}\|>|</?tool_(?:call|response)>|\bdo anything now\b|\bnew instructions\s*:",
    re.I,
)


def suspicious(text: str) -> str:
    """The first piece of `text` that looks like an order to a model; empty when there is none."""
    match = _ORDERS.search(text)
    return " ".join(text[max(match.start() - 20, 0) : match.end() + 40].split())[:120] if match else ""


def without_references(text: str) -> tuple[str, int]:
    """`[[Page]]` would refer to a fact: it becomes `[Page]`; other double brackets get a space between.

    The text, and how many there were.
    """
    text, links = re.subn(r"\[\[([^\[\]\n]{0,200})\]\]", r"[\1]", text)
    text, opening = re.subn(r"\[(?=\[)", "[ ", text)
    text, closing = re.subn(r"\](?=\])", "] ", text)
    return text, links + max(opening, closing)
