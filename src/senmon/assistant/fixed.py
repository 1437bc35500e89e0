"""Replies that no model writes: nothing fits, or the language is not spoken here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from senmon.assistant.catalog import ServedPack

_JAPANESE = "申し訳ありませんが、ここでは{languages}でのみお答えできます。担当者におつなぎしましょうか。"
_ENGLISH = "I'm sorry, I can only answer in {languages} here. Shall I get a person to help you?"
_NAMES = {
    "en": "English", "ja": "Japanese", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "nl": "Dutch", "pt": "Portuguese", "zh": "Chinese", "ko": "Korean", "ru": "Russian",
    "ar": "Arabic",
}  # fmt: skip
_NAMES_JA = {
    "en": "英語", "ja": "日本語", "de": "ドイツ語", "fr": "フランス語", "es": "スペイン語",
    "it": "イタリア語", "nl": "オランダ語", "pt": "ポルトガル語", "zh": "中国語", "ko": "韓国語",
    "ru": "ロシア語", "ar": "アラビア語",
}  # fmt: skip


def language_reply(language: str, spoken: Iterable[str], served: Sequence[ServedPack] = ()) -> str:
    """What is spoken here, and the offer of a person: a pack's own words for this language, else ours."""
    for each in served:
        if own := each.texts.other_language.get(language):
            return own
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
