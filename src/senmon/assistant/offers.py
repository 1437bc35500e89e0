"""Yes to the offer of a person that ends every reply which no pack gave."""

from __future__ import annotations

from senmon.assistant.language import foreign_language
from senmon.messages import NOBODY, Conversation

_JAPANESE = "担当者におつなぎします。この会話の内容は担当者に引き継がれます。"
_ENGLISH = "I'm passing this on to a person. They see our conversation."
#: Whole messages that accept it, in the languages of those who get such replies.
_YES = (
    "yes", "y", "yeah", "yep", "yup", "sure", "ok", "okay", "please", "yes please", "yes pls", "sure please",
    "ok please", "please do", "yes do that", "yes a person", "a person please", "person please", "go ahead",
    "that would be great", "yes thanks", "yes thank you", "get me a person", "yes get a person",
    "はい", "はいお願いします", "お願いします", "おねがいします", "はいおねがいします",
    "ええ", "うん", "ja", "ja bitte", "bitte", "gerne", "ja gerne", "oui", "oui merci",
    "oui s il vous plaît", "s il vous plaît",
    "sí", "si", "sí por favor", "si por favor", "por favor", "sim", "sim por favor", "sì", "sì grazie",
    "ja graag", "graag",
    "да", "да пожалуйста", "是", "是的", "好", "好的", "네", "예", "네 부탁합니다", "نعم",
)  # fmt: skip


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.lower()))


_ACCEPTED = frozenset(map(_letters, _YES))


def accepts_offer(state: Conversation, text: str) -> bool:
    """Whether `text` is a plain yes to a reply that no pack gave. `state` ends with `text` or before it."""
    return _offered(state) is not None and _letters(text[:80]) in _ACCEPTED


def handoff_reply(state: Conversation) -> str:
    """In the language of the offer."""
    japanese = foreign_language(_offered(state) or "", ("en",)) == "ja"
    return _JAPANESE if japanese else _ENGLISH


def _offered(state: Conversation) -> str | None:
    """The reply of nobody that the last message answers."""
    messages = state.messages
    end = len(messages) - (1 if messages and messages[-1].role == "user" else 0)
    owned = tuple(zip(messages, state.owners, strict=False))[:end]
    if not owned or owned[-1][0].role != "assistant" or owned[-1][1] != NOBODY:
        return None
    said = owned[-1][0].content
    return None if said in (_JAPANESE, _ENGLISH) else said
