"""What a turn lets in and out: passages within their budget, visible text, buttons and reasons in bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from senmon.messages import Passage
from senmon.rendering import passage_text, references

#: English text has about so many characters a token, whatever the tokenizer.
CHARACTERS_PER_TOKEN = 3.5
MAX_BUTTONS = 10
#: Packs whose scores an answer shows.
SHOWN_SCORES = 5
MAX_BUTTON_CHARACTERS = 256
MAX_REASON_CHARACTERS = 500
#: Control characters but for tab and newline, overrides of the writing direction, halves of surrogates.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


def within_budget(passages: Sequence[Passage], tokens: int) -> tuple[Passage, ...]:
    """The best passages that fit `tokens`, by an estimate; at least one, if there is any. Best come first."""
    kept = list(passages)
    while len(kept) > 1 and sum(map(_tokens, kept)) > tokens:
        kept.pop()
    return tuple(kept)


def _tokens(passage: Passage) -> float:
    names = sum(len(f"[[article.{name}]] ") for name in passage.facts if not passage.answer)
    return (len(passage_text(passage, 1)) + names) / CHARACTERS_PER_TOKEN


def cited(passages: Sequence[Passage], said: str, *, acted: bool) -> list[str]:
    """Ids of the passages behind a reply: those that it refers to (`said` has the references as written). A
    reply without references rests on an action's result, or on passages that have no short answer to say."""
    names = set(references(said))
    places = dict(enumerate(passages, 1))
    named = [each.id for place, each in places.items() if f"answer.{place}" in names or _states(each, names)]
    if named or acted:
        return named
    return [each.id for each in passages if not each.answer]


def _states(passage: Passage, names: set[str]) -> bool:
    return any(f"article.{fact}" in names for fact in passage.facts)


def visible(text: str) -> str:
    """`text` without what steers a terminal or hides its order: whoever wrote it, it reaches a visitor."""
    return _UNSEEN.sub("", text)


def public_buttons(buttons: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Title and payload of the first ten; whatever else an action put there stays here."""
    shown = []
    for button in buttons[:MAX_BUTTONS]:
        title = visible(str(button.get("title") or ""))[:MAX_BUTTON_CHARACTERS].strip()
        payload = visible(str(button.get("payload") or title))[:MAX_BUTTON_CHARACTERS]
        if title:
            shown.append({"title": title, "payload": payload})
    return shown


def public_progress(check_names: Iterable[str], slots: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """How far up its ladder of hints the open problem is, for packs that must not tell."""
    level, budget = slots.get("level"), slots.get("budget")
    if "no_telling" not in check_names or not slots.get("open"):
        return {}
    if not isinstance(level, int) or not isinstance(budget, int) or budget < 1:
        return {}
    return {"progress": {"step": min(max(level, 0) + 1, budget), "of": budget}}


def public_reason(reason: str) -> str:
    """Why a person should take over, short."""
    return visible(reason)[:MAX_REASON_CHARACTERS]


def leading(scores: Mapping[str, float]) -> dict[str, float]:
    """The best few packs with their scores, best first."""
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_SCORES]
    return {pack: round(score, 4) for pack, score in best}
