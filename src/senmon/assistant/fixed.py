"""Replies that no model writes: nothing fits, or the language is not spoken here."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from senmon.assistant.catalog import ServedPack

_JAPANESE = "申し訳ありませんが、ここでは{languages}でのみお答えできます。担当者におつなぎしましょうか。"
_ENGLISH = "I'm sorry, I can only answer in {languages} here. Shall I get a person to help you?"
_NAMES = {"en": "English", "ja": "Japanese", "de": "German", "fr": "French", "es": "Spanish"}
_NAMES_JA = {"en": "英語", "ja": "日本語", "de": "ドイツ語", "fr": "フランス語", "es": "スペイン語"}
_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "ARABIC": "ar",
    "HEBREW": "he", "THAI": "th", "DEVANAGARI": "hi",
}  # fmt: skip
_GREEK_IS_MATHS = "GREEK"


def foreign_language(text: str, spoken: Iterable[str]) -> str | None:
    """The language of a message in a script that no pack speaks, judged by its letters; else None.

    Languages that share the Latin script are not told apart here.
    """
    counts: dict[str, int] = {}
    for letter in filter(str.isalpha, text[:2000]):
        script = unicodedata.name(letter, "LATIN").split(" ", 1)[0].split("-", 1)[0]
        if script != _GREEK_IS_MATHS:
            counts[script] = counts.get(script, 0) + 1
    if not counts:
        return None
    script = max(counts, key=lambda name: counts[name])
    if counts.get("HIRAGANA") or counts.get("KATAKANA"):
        script = "HIRAGANA" if script in ("CJK", "HIRAGANA", "KATAKANA") else script
    language = _SCRIPTS.get(script)
    return language if language and language not in {tag.split("-")[0] for tag in spoken} else None


def language_reply(language: str, spoken: Iterable[str]) -> str:
    tags = sorted({tag.split("-")[0] for tag in spoken})
    if language == "ja":
        return _JAPANESE.format(languages="、".join(_NAMES_JA.get(tag, tag) for tag in tags))
    return _ENGLISH.format(languages=", ".join(_NAMES.get(tag, tag) for tag in tags))


def nothing_fits(packs: Mapping[str, ServedPack]) -> str:
    """What I can help with, and the offer of a person."""
    if not packs:
        return "Nothing is set up here yet, so I can't answer. Shall I get a person to help you?"
    lines = [
        f"- {served.pack.manifest.title}: {served.pack.manifest.description}" for served in packs.values()
    ]
    return "\n".join(
        [
            "That is outside what I can answer. I can help with:",
            *lines,
            "Or shall I get a person to help you?",
        ]
    )
