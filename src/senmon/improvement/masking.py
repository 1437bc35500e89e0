"""What a conversation tells of a person, taken out before anything of it is learnt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from senmon.packs.pack import Pack
from senmon.pii import find_personal
from senmon.store.records import ConversationRecord

#: A shorter value that somebody gave before the chat is too likely to be an ordinary word.
LEAST = 3


class Mask:
    """Masks e-mail addresses, numbers of phones, cards, accounts and persons, and what the visitor gave
    before the chat. What the pack itself publishes (its own hotline) stays."""

    def __init__(self, pack: Pack, owner: ConversationRecord) -> None:
        self._pack = pack
        given = sorted(set(_given(owner)), key=len, reverse=True)
        parts = "|".join(re.escape(value) for value in given)
        self._given = re.compile(rf"(?<!\w)(?:{parts})(?!\w)", re.IGNORECASE) if parts else None

    @cached_property
    def _published(self) -> str:
        texts = [self._pack.system, self._pack.manifest.texts.model_dump_json()]
        articles = (f"{one.text} {one.answer} {one.url} {one.facts}" for one in self._pack.articles)
        return "\n".join([*texts, *articles])

    def text(self, text: str) -> str:
        parts, at = [], 0
        for found in find_personal(text):
            if found.text in self._published:
                continue
            parts += [text[at : found.start], f"[{found.kind}]"]
            at = found.end
        masked = "".join([*parts, text[at:]])
        return self._given.sub("[name]", masked) if self._given else masked

    def value(self, value: Any) -> Any:
        """Every text inside a JSON value; names of fields stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.value(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def json(self, text: str) -> str:
        """A JSON text, masked inside; anything else as text."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self.text(text)
        return json.dumps(self.value(value), ensure_ascii=False)


def _given(owner: ConversationRecord) -> Iterator[str]:
    values = [*(owner.prechat or {}).values(), owner.customer]
    for value in values:
        if isinstance(value, str) and len(value.strip()) >= LEAST:
            yield value.strip()
            yield from (word for word in value.split() if len(word) >= LEAST and word[:1].isupper())
