"""What the bot's test stories ask first: training must not show it."""

from __future__ import annotations

from collections.abc import Iterable

from senmon.dataset.likeness import core
from senmon.dataset.near_index import NearIndex
from senmon.dataset.normal_form import normalised

#: Requests of so many words are common to everybody: only the same letters count.
SHORT = 2


class HeldRequests:
    """Is a text one of the tests' requests, apart from politeness, or much like one?"""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._near = NearIndex()
        for text in texts:
            self._names.add(_name(text))
            self._near.add(normalised(text), text or " ")

    def __contains__(self, text: str) -> bool:
        name = _name(text)
        return name in self._names or (len(name.split()) > SHORT and bool(self._near.like(normalised(text))))


def _name(text: str) -> str:
    found = core(text)
    return found if len(found.split()) > SHORT else text.lower()
