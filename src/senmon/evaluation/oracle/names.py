"""Names in a reply that nobody has named before."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-zÀ-ž][\w'’-]*")
_CAPITAL = re.compile(r"^[A-ZÀ-Ž][a-zà-ž]+(?:['’]s)?$|^[A-Z]{2,}$|^[A-Z][a-z]+[A-Z]\w+$")
#: Capitals that name nobody.
_COMMON = frozenset(
    [
        "i",
        "i'm",
        "i'll",
        "i've",
        "i'd",
        "ok",
        "okay",
        "a",
        "an",
        "sorry",
        "yes",
        "no",
        "hello",
        "hi",
        "thanks",
        "thank",
        "dear",
        "mr",
        "mrs",
        "ms",
        "dr",
        "pdf",
        "faq",
        "id",
        "eu",
        "uk",
        "us",
        "usa",
        "sms",
        "vat",
        "gps",
        "led",
        "usb",
        "ios",
        "android",
        "english",
        "english-speaking",
        "e-mail",
        "am",
        "pm",
        "please",
        "orders",
        "order",
        "account",
        "profile",
        "settings",
        "help",
        "contact",
        "returns",
        "return",
        "invoice",
        "checkout",
        "basket",
        "wishlist",
        "newsletter",
        "app",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "usd",
        "eur",
        "gbp",
        "sim",
        "tv",
        "url",
        "e",
    ]
)
_ENDS = re.compile(r"[.!?:;\n•*(\"“]\s*[-–—*]?\s*$")


def foreign_names(text: str, evidence: str) -> list[str]:
    """Capitalised words inside a sentence, and pairs at its start, that the evidence does not hold."""
    known = {word.casefold() for word in _WORD.findall(evidence)}
    known |= {word.removesuffix("s") for word in known}
    found = []
    words = list(_WORD.finditer(text))
    for at, match in enumerate(words):
        word = re.sub(r"['’]s$", "", match[0])
        if not _CAPITAL.match(match[0]) or _is_known(word, known):
            continue
        before = text[: match.start()]
        starts = not before.strip() or bool(_ENDS.search(before))
        if starts and not _in_pair(text, words, at, known):
            continue
        found.append(f"name {word}")
    return found


def _is_known(word: str, known: set[str]) -> bool:
    low = word.casefold()
    return low in known or low in _COMMON or low.removesuffix("s") in known


def _in_pair(text: str, words: list[re.Match[str]], at: int, known: set[str]) -> bool:
    """`Sarah Jones will call` at the start of a sentence."""
    if at + 1 >= len(words):
        return False
    following = words[at + 1]
    joined = text[words[at].end() : following.start()] == " "
    return joined and bool(_CAPITAL.match(following[0])) and not _is_known(following[0], known)
