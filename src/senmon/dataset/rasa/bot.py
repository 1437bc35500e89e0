"""A Rasa bot as its files describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from senmon.errors import Problem


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file; `path` is relative to the bot's folder."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Note:
    """What is not carried over, or not as it was. `kind` groups notes in the report: "policy", "form" …"""

    kind: str
    place: Place
    what: str
    why: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}" + (f" → {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class Entity:
    """One annotation. `text` is what was said, `value` what it means (synonyms)."""

    name: str
    value: str
    text: str
    role: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a user says, without the marks of its annotations."""

    text: str
    entities: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    intent: str
    said: Utterance
    place: Place


@dataclass(frozen=True, slots=True)
class Intent:
    name: str
    place: Place
    #: 1.x: the action that answers it, whatever came before.
    triggers: str = ""


@dataclass(frozen=True, slots=True)
class Filling:
    """How a slot is filled (`type` is Rasa's: from_entity, from_text, from_intent, from_trigger_intent)."""

    type: str
    entity: str = ""
    role: str = ""
    intents: tuple[str, ...] = ()
    not_intents: tuple[str, ...] = ()
    value: Any = None
    #: Forms that the mapping holds in; empty: everywhere.
    forms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    type: str
    place: Place
    initial: Any = None
    values: tuple[str, ...] = ()
    mappings: tuple[Filling, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    name: str
    required: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Response:
    """`variations` are as written, in Rasa's domain format."""

    name: str
    variations: tuple[Mapping[str, Any], ...]
    place: Place


# --- what a story is made of


@dataclass(frozen=True, slots=True)
class Asked:
    """An intent that a user turn may have; `said` is given in test stories and end-to-end stories."""

    intent: str
    entities: tuple[tuple[str, str], ...] = ()
    said: Utterance | None = None


@dataclass(frozen=True, slots=True)
class UserStep:
    """A user turn; several alternatives where the story says `or`."""

    choices: tuple[Asked, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class ActionStep:
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class BotStep:
    """A literal text of the bot."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class LoopStep:
    """A form begins, or ends (`name` empty)."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class SlotStep:
    values: tuple[tuple[str, Any], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class CheckpointStep:
    name: str
    place: Place


Step = UserStep | ActionStep | BotStep | LoopStep | SlotStep | CheckpointStep


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    kind: str  # "story", "rule" or "test"
    steps: tuple[Step, ...]
    place: Place
    #: The form that must be active for a rule; None: no condition on forms.
    in_form: str | None = None


@dataclass(slots=True)
class Bot:
    """Everything read from a folder, and every note and problem met on the way."""

    files: list[str] = field(default_factory=list)
    intents: dict[str, Intent] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    #: What is said, in lower case → what it means, and where that is written.
    synonyms: dict[str, tuple[str, Place]] = field(default_factory=dict)
    lookups: dict[str, list[str]] = field(default_factory=dict)
    #: Lookup tables in files of their own: table, file, where that is said.
    lookup_files: list[tuple[str, str, Place]] = field(default_factory=list)
    regexes: dict[str, list[tuple[str, Place]]] = field(default_factory=dict)
    entities: dict[str, Place] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    responses: dict[str, Response] = field(default_factory=dict)
    actions: dict[str, Place] = field(default_factory=dict)
    stories: list[Story] = field(default_factory=list)
    language: str = ""
    duckling: list[str] = field(default_factory=list)
    action_url: str = ""
    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, kind: str, place: Place, what: str, why: str, remedy: str = "") -> None:
        self.notes.append(Note(kind, place, what, why, remedy))

    def fault(self, place: Place, field_: str, why: str, remedy: str) -> None:
        self.problems.append(Problem(place.path, place.line, field_, why, remedy))
