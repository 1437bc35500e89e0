"""Which language a message is in, when it is surely none that the packs speak.

Told by script where the script tells. For languages in Latin letters by words that English does not have:
at least two different ones, more than twice as many as English ones, and a fair share of the message. Names
of people, streets and products, typos and single borrowed words are no evidence. A message that is not told
apart is treated as spoken here: to misread one English customer is worse than to answer a French one in
English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

MOST = 2000
LEAST_WORDS = 2
LEAST_SHARE = 0.3
#: Script → language, as a rule; where several share it, the one with most speakers.
_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "HANGUL": "ko", "CYRILLIC": "ru", "ARABIC": "ar",
    "HEBREW": "he", "THAI": "th", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te",
    "GEORGIAN": "ka", "ARMENIAN": "hy", "KHMER": "km", "LAO": "lo", "MYANMAR": "my", "ETHIOPIC": "am",
}  # fmt: skip
#: Letters of formulas in every language; Greek is told by having words of them.
_MATHS = "GREEK"
_GREEK_WORD = re.compile("[\u0370-\u03ff\u1f00-\u1fff]{3,}")
#: Characters that Chinese messages have and Japanese ones without kana don't.
_CHINESE = frozenset("的了吗嗎呢吧我你您他她们們这這那哪什么麼怎没沒请請给給还還订訂单單货貨钱錢")
_WORD = re.compile(r"[^\W\d_]+")
_ELISION = re.compile(r"\b(?:j|c|qu|n|s|m|t)['’](?=[aeiouyhéèêàâîô])")
WORDS = "telling_words.txt"


def foreign_language(text: str, spoken: Iterable[str]) -> str | None:
    """The language (ISO 639-1) of a message that no pack speaks; None when one does, or when unsure.

    `spoken` are BCP 47 tags.
    """
    tags = {tag.split("-")[0].lower() for tag in spoken}
    language = _by_script(text[:MOST])
    if language is None:
        return None
    if language == "":
        language = _by_words(text[:MOST], tags)
    return language if language and language not in tags else None


def _by_script(text: str) -> str | None:
    """Empty for Latin letters, None where there are no letters to tell."""
    counts: dict[str, int] = {}
    for letter in filter(str.isalpha, text):
        script = unicodedata.name(letter, "LATIN").split(" ", 1)[0].split("-", 1)[0]
        counts[script] = counts.get(script, 0) + 1
    if _GREEK_WORD.search(text) and counts.get(_MATHS, 0) > sum(counts.values()) / 2:
        return "el"
    counts.pop(_MATHS, None)
    if not counts:
        return None
    script = max(counts, key=lambda name: counts[name])
    if script in ("CJK", "HIRAGANA", "KATAKANA"):
        return _east_asian(text, counts)
    return _SCRIPTS.get(script, "" if script in ("LATIN", "FULLWIDTH") else None)


def _east_asian(text: str, counts: dict[str, int]) -> str:
    """Kana are Japanese; Han characters alone are Chinese when there is one that Japanese does not use so."""
    if counts.get("HIRAGANA") or counts.get("KATAKANA"):
        return "ja"
    return "zh" if _CHINESE & set(text) else "ja"


@cache
def telling_words() -> Mapping[str, frozenset[str]]:
    """Language → its telling words, `en` among them."""
    text = files("senmon.assistant").joinpath(WORDS).read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    parts = re.split(r"(?m)^\[(\w+)\]$", lines)[1:]
    return {
        language: frozenset(words.split()) for language, words in zip(parts[::2], parts[1::2], strict=True)
    }


def _by_words(text: str, spoken: set[str]) -> str | None:
    """The best-matching language; what a pack speaks wins a tie."""
    words = _WORD.findall(text.lower())
    known = telling_words()
    scores = {language: len(telling & set(words)) for language, telling in known.items()}
    scores["fr"] += bool(_ELISION.search(text.lower()))
    scores["es"] += "¿" in text or "¡" in text
    english = scores.pop("en") if "en" in spoken else 0
    best = max(scores, key=lambda language: (scores[language], language in spoken))
    if scores[best] < LEAST_WORDS or scores[best] <= 2 * english:
        return None
    told = sum(word in known[best] for word in words)
    return best if told >= LEAST_SHARE * len(words) else None
