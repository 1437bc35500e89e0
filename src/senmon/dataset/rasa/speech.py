"""What the bot says and what its users say: texts of responses, examples of intents, answers to questions."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from senmon.dataset.rasa.bot import Asked, Bot, Entity, Example, Filling, Form, Response, Utterance
from senmon.dataset.rasa.declared_actions import question_response
from senmon.dataset.rasa.entity_slots import meaning, typed
from senmon.dataset.rasa.held_requests import HeldRequests

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.-]*)\}")
DECLINING = frozenset({"deny", "no", "negative", "decline", "cancel", "stop"})
_PAYLOAD = re.compile(r"\s*/([^\s{]+)\s*(\{.*\})?.*", re.DOTALL)
#: What Duckling recognises has no examples in a bot; these stand in for it and are counted in the report.
DUCKLING: Mapping[str, tuple[str, ...]] = {
    "email": ("sam.lee@example.com", "j.brown@example.org", "ana@example.net"),
    "time": ("tomorrow", "next Monday", "last month", "on the 3rd of May", "yesterday"),
    "number": ("3", "12", "two", "40"),
    "amount-of-money": ("$50", "120 dollars", "$8.50", "300 euros"),
    "phone-number": ("555 0100", "+1 555 0142"),
    "duration": ("two hours", "3 days", "a week"),
    "distance": ("5 km", "two miles"),
    "url": ("https://example.com", "example.org/help"),
    "ordinal": ("the first", "the third"),
    "quantity": ("two cups", "500 grams"),
    "temperature": ("20 degrees", "70 F"),
    "volume": ("2 litres", "a gallon"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a user says to a form's question, and the value it gives. `invented`: not from the bot's files."""

    said: Utterance
    value: Any
    invented: bool = False


class Speech:
    """Texts of a bot, indexed. `held` are requests of the tests, which training must not show first."""

    def __init__(self, bot: Bot, held: HeldRequests | None = None) -> None:
        held = held or HeldRequests()
        self.bot = bot
        self._of: dict[str, list[Example]] = defaultdict(list)
        self._families: dict[str, list[str]] = defaultdict(list)
        for example in bot.examples:
            if example.said.text not in held:
                self._of[example.intent].append(example)
        for intent in dict.fromkeys(example.intent for example in bot.examples):
            if "/" in intent:
                self._families[intent.split("/")[0]].append(intent)

    # --- users

    def examples(self, intent: str) -> Sequence[Example]:
        """The examples of an intent; of a retrieval intent, those of all its parts."""
        if intent in self._of or intent not in self._families:
            return self._of.get(intent, ())
        return [example for part in self._families[intent] for example in self._of[part]]

    def said(self, asked: Asked, random: Random) -> tuple[str, Utterance] | None:
        """An intent and a message of it with the wanted entities where there is one; None: no example."""
        if asked.said is not None:
            return asked.intent, asked.said
        pool = self.examples(asked.intent)
        if not pool:
            return None
        best = max(_fit(example.said, asked.entities) for example in pool)
        chosen = random.choice([one for one in pool if _fit(one.said, asked.entities) == best])
        return chosen.intent, _with_values(chosen.said, asked.entities)

    # --- the bot

    def texts(self, name: str, intent: str) -> tuple[str, ...]:
        """The texts of a response that may be learnt: no condition, no channel. "" where there are none."""
        response = self.response(name, intent)
        if response is None:
            return ()
        plain = (one for one in response.variations if not one.get("condition") and not one.get("channel"))
        return tuple(text.strip() for one in plain if (text := str(one.get("text") or "")).strip())

    def response(self, name: str, intent: str) -> Response | None:
        """The response of an action's name; retrieval actions answer with the intent's own response."""
        known = self.bot.responses
        family = re.sub(r"^(utter_|respond_)", "", name)
        return known.get(name) or (known.get(f"utter_{intent}") if intent.split("/")[0] == family else None)

    def filled(self, name: str, intent: str, slots: Mapping[str, Any], random: Random) -> str | None:
        """A text of the response with its slots filled in, or None when it needs a slot that is not known."""
        texts = [text for raw in self.texts(name, intent) if (text := fill(raw, slots)) is not None]
        return random.choice(texts) if texts else None

    # --- forms

    def answers(self, form: Form, slot: str, triggers: Sequence[str]) -> list[Answer]:
        """What users may answer to the question for `slot`; [] when the bot's files don't tell.

        Buttons, entities and intents say it best; then what Duckling would find; free text is any message.
        """
        mappings = self._mappings(form, slot)
        told = [one for one in mappings if one.type != "from_text"]
        if slot != form.required[-1]:
            # Who declines in the middle leaves the form, and how is said by code that is not here.
            told = [one for one in told if not DECLINING & set(one.intents)]
        kinds = (self._buttons(form, slot), *(self._mapped(slot, one, triggers) for one in told))
        found = [answer for kind in kinds for answer in kind] or list(self._invented(slot, mappings))
        free = (one for one in mappings if one.type == "from_text")
        return found or [answer for one in free for answer in self._mapped(slot, one, triggers)]

    def _mappings(self, form: Form, slot: str) -> list[Filling]:
        known = self.bot.slots.get(slot)
        mappings = known.mappings if known else (Filling("from_entity", slot),)
        return [one for one in mappings if not one.forms or form.name in one.forms]

    def _mapped(self, slot: str, mapping: Filling, triggers: Sequence[str]) -> Iterator[Answer]:
        known = self.bot.slots.get(slot)
        if mapping.type == "from_entity":
            yield from self._with_entity(slot, mapping)
        elif mapping.type == "from_intent":
            value = typed(known, mapping.value)
            for intent in mapping.intents if value is not None else ():
                for example in self.examples(intent):
                    yield Answer(example.said, value)
        elif mapping.type == "from_text":
            for intent in mapping.intents or triggers:
                for example in self.examples(intent) if intent not in mapping.not_intents else ():
                    if (value := typed(known, example.said.text)) is not None:
                        yield Answer(example.said, value)

    def _with_entity(self, slot: str, mapping: Filling) -> Iterator[Answer]:
        """Short messages that hold the entity; then its values alone."""
        known, values = self.bot.slots.get(slot), dict[str, Entity]()
        for example in self.bot.examples:
            for entity in example.said.entities:
                if entity.name == mapping.entity and mapping.role in ("", entity.role):
                    values.setdefault(entity.text, entity)
                    value = typed(known, meaning(self.bot, entity))
                    if example.intent == "inform" and value is not None:
                        yield Answer(example.said, value)
        for text in self.bot.lookups.get(mapping.entity, ())[:200]:
            values.setdefault(text, Entity(mapping.entity, text, text))
        for text, entity in values.items():
            if (value := typed(known, meaning(self.bot, entity))) is not None:
                yield Answer(Utterance(text, (entity,)), value)

    def _buttons(self, form: Form, slot: str) -> Iterator[Answer]:
        response = self.bot.responses.get(question_response(self.bot, form.name, slot))
        for variation in response.variations if response else ():
            buttons = variation.get("buttons")
            for button in buttons if isinstance(buttons, list) else ():
                title, payload = _button(button)
                value = typed(self.bot.slots.get(slot), payload.get(slot))
                if title and slot in payload and value is not None:
                    yield Answer(Utterance(title), value)

    def _invented(self, slot: str, mappings: Sequence[Filling]) -> Iterator[Answer]:
        entities = [one.entity for one in mappings if one.type == "from_entity"]
        for entity in dict.fromkeys(entities):
            if entity in self.bot.duckling:
                for text in DUCKLING.get(entity, ()):
                    yield Answer(Utterance(text, (Entity(entity, text, text),)), text, invented=True)


def _button(button: Any) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(button, Mapping):
        return "", {}
    match = _PAYLOAD.fullmatch(str(button.get("payload") or ""))
    try:
        values = json.loads(match[2]) if match and match[2] else {}
    except (ValueError, RecursionError):
        values = {}
    return str(button.get("title") or ""), values if isinstance(values, Mapping) else {}


def fill(text: str, slots: Mapping[str, Any]) -> str | None:
    """`{slot}` filled in; None when one is not known. Double square brackets mean facts here, so they go."""
    sources = {name: source_of(name, slots) for name in placeholders(text)}
    if not all(sources.values()):
        return None
    filled = _PLACEHOLDER.sub(lambda match: str(slots[sources[match[1]]]), text)
    return filled.replace("[[", "[").replace("]]", "]").strip()


def source_of(name: str, slots: Mapping[str, Any]) -> str:
    """The slot whose value stands for `{name}`: itself, or the one that code makes it from (`time` for
    `time_formatted`); "" when neither is known."""
    if slots.get(name) is not None:
        return name
    made_from = [slot for slot, value in slots.items() if value is not None and name.startswith(f"{slot}_")]
    return max(made_from, key=len, default="")


def placeholders(text: str) -> tuple[str, ...]:
    return tuple(_PLACEHOLDER.findall(text))


def _fit(said: Utterance, entities: Sequence[tuple[str, str]]) -> int:
    """How well a message has exactly the wanted entities."""
    have, want = {entity.name for entity in said.entities}, {name for name, _ in entities}
    exact = sum((entity.name, entity.value) in entities for entity in said.entities)
    # A story that names no entity says nothing about them.
    return 4 * len(have & want) + exact - (len(have - want) if want else 0)


def _with_values(said: Utterance, wanted: Sequence[tuple[str, str]]) -> Utterance:
    """The message with the story's values in place of the example's."""
    values = {name: value for name, value in wanted if value}
    text, entities = said.text, list[Entity]()
    for entity in said.entities:
        value = values.get(entity.name)
        if value and entity.value != value and text.count(entity.text) == 1:
            text = text.replace(entity.text, value)
            entity = Entity(entity.name, value, value, entity.role, entity.group)
        entities.append(entity)
    return Utterance(text, tuple(entities))
