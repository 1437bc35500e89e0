"""The hand-written seeds, and what the manifest says of arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
PACK = HERE.parent
RETRIEVED_FILE = HERE / "retrieved.json"
Message = dict[str, Any]
#: The opening as written by hand, the intent, the messages.
Talk = tuple[str, str, list[Message]]
Draw = Callable[[Random], Talk]


def read(name: str) -> Any:
    return yaml.safe_load((HERE / "seeds" / f"{name}.yaml").read_text(encoding="utf-8"))


def questions(article: str) -> list[str]:
    """From the article's front matter."""
    text = (PACK / "knowledge" / f"{article}.md").read_text(encoding="utf-8")
    found: list[str] = yaml.safe_load(text.split("---\n")[1])["questions"]
    return found


ORDERS: dict[str, Any] = read("orders")
CHANGES: dict[str, list[str]] = read("changes")
REPLIES: dict[str, Any] = read("replies")
TALK: dict[str, Any] = read("talk")
SHOP: dict[str, list[str]] = read("shop")
WORDS: dict[str, Any] = read("words")
RETRIEVED: dict[str, list[str]] = (
    json.loads(RETRIEVED_FILE.read_text(encoding="utf-8")) if RETRIEVED_FILE.exists() else {}
)
#: What asks for an action is no question for an article, though it helps to find the article.
REQUESTS = {each for name, group in CHANGES.items() if name.endswith("without_id") for each in group}
ARTICLES: list[dict[str, Any]] = [
    {**each, "user": [words for words in questions(each["article"]) if words not in REQUESTS]}
    for each in read("articles")
]
MANIFEST = yaml.safe_load((PACK / "pack.yaml").read_text(encoding="utf-8"))
CANDIDATES = {
    name: re.compile(pattern)
    for spec in MANIFEST["actions"]["specs"]
    for name, pattern in spec.get("candidates", {}).items()
}
#: The data of the released adapter were made with this; the next tuning may take the manifest's, which knows
#: more forms.
CANDIDATES["address"] = re.compile(
    r"(?i)\b\d{1,4}[a-z]? (?:[a-z'-]+ ){1,3}(?:street|st|road|rd|lane|ln|avenue|ave|way|cl"
    r"ose|drive|square|row|hill|court|terrace|gardens)\b(?:,? (?!please|pls|thanks|thank|t"
    r"hx|instead|not|for|and|on|as|is|ok|now|asap|can|cheers|bring|send|deliver|ship|put|c"
    r"hange|use|there|it|a-?\d)[a-z0-9-]+){0,4}"
)
PRODUCTS = CANDIDATES["product"].pattern.split("(?:")[1].split(")")[0].replace("?", "").split("|")


class NotSaidError(Exception):
    """A slip of the pen made an argument unreadable, so that the model could not choose it either."""


def said(argument: str, text: str) -> str:
    """The newest value of `argument` in the visitor's words, as serving would find it."""
    found = CANDIDATES[argument].search(text)
    if found is None:
        raise NotSaidError(text)
    return found.group()
