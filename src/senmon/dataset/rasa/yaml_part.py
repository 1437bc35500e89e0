"""A part of a YAML file with its place, for readers that report what they can't use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from senmon.dataset.rasa.bot import Bot, Place
from senmon.packs.yaml_text import Place as Keys
from senmon.packs.yaml_text import YamlText, dotted


@dataclass(frozen=True, slots=True)
class Part:
    """The value at `keys` of a file. Asking for a type that it does not have is a problem of the bot."""

    bot: Bot
    file: str
    source: YamlText
    keys: Keys
    value: Any

    @classmethod
    def whole(cls, bot: Bot, file: str, source: YamlText) -> Part:
        return cls(bot, file, source, (), source.value)

    @property
    def place(self) -> Place:
        return Place(self.file, self.source.line(self.keys))

    @property
    def name(self) -> str:
        return str(self.keys[-1]) if self.keys else ""

    def fault(self, why: str, remedy: str) -> None:
        self.bot.fault(self.place, dotted(self.keys), why, remedy)

    def note(self, kind: str, what: str, why: str, remedy: str = "") -> None:
        self.bot.note(kind, self.place, what, why, remedy)

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, Mapping) and key in self.value

    def get(self, key: str | int) -> Part:
        """The part under `key`; its value is None where there is none."""
        there = self.value.get(key) if isinstance(self.value, Mapping) else self.value[int(key)]
        return Part(self.bot, self.file, self.source, (*self.keys, key), there)

    def items(self) -> Iterator[Part]:
        """The parts of a mapping."""
        if self.value is None:
            return
        if not isinstance(self.value, Mapping):
            self.fault("is not a mapping", "write `name: …` lines under it")
            return
        for key in self.value:
            yield self.get(key)

    def entries(self) -> Iterator[Part]:
        """The parts of a list."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.fault("is not a list", "write `- …` lines under it")
            return
        for index in range(len(self.value)):
            yield self.get(index)

    def text(self) -> str:
        """The text; "" with a problem where there is none. Numbers are their own spelling."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, (int, float)):
            return self.source.scalars.get(self.keys, str(self.value))
        self.fault("is not text", "write a text here")
        return ""

    def texts(self) -> tuple[str, ...]:
        """A list of texts, or one text alone."""
        if self.value is None:
            return ()
        if not isinstance(self.value, list):
            return tuple(filter(None, (self.text(),)))
        return tuple(filter(None, (entry.text() for entry in self.entries())))
