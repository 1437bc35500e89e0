"""One path → one conversation in the shape of a data line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from senmon.dataset.rasa.bot import (
    ActionStep,
    BotStep,
    Form,
    LoopStep,
    SlotStep,
    Step,
    UserStep,
    Utterance,
)
from senmon.dataset.rasa.declared_actions import (
    BUILT_IN,
    is_utterance,
    question_action,
    question_response,
)
from senmon.dataset.rasa.entity_slots import arguments_of, typed
from senmon.dataset.rasa.speech import Speech, fill, placeholders, source_of
from senmon.packs.manifest import ActionSpec

#: Characters of a conversation, calls included: what fits 1,024 tokens beside the static prompt.
MAX_CHARACTERS = 1_800
Message = dict[str, Any]


class CutShort(Exception):
    """The story can't go on from here: `step` and why."""

    def __init__(self, step: Step, what: str, why: str, remedy: str = "") -> None:
        super().__init__(what)
        self.step, self.what, self.why, self.remedy = step, what, why, remedy


@dataclass(frozen=True, slots=True)
class Turn:
    """A user's turn and what the story's next step is: a call, or the texts that a reply may have."""

    messages: tuple[Message, ...]
    intent: str
    given: bool
    call: tuple[str, Mapping[str, Any]] | None
    texts: tuple[str, ...]


@dataclass(slots=True)
class Dialogue:
    """Plays steps. `alternative` picks one of a step's `or` choices: all of them occur over the variants."""

    speech: Speech
    specs: Mapping[str, ActionSpec]
    random: Random
    alternative: int = 0
    messages: list[Message] = field(default_factory=list)
    intents: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    invented: int = 0
    cut: CutShort | None = None
    _slots: dict[str, Any] = field(default_factory=dict)
    _said: dict[str, Any] = field(default_factory=dict)
    _entities: dict[str, Any] = field(default_factory=dict)
    _pending: list[str] = field(default_factory=list)
    _form: Form | None = None
    _filled: Form | None = None
    _trigger: str = ""
    _given: bool = False
    _fresh: bool = False

    def play(self, steps: Sequence[Step]) -> None:
        """Plays the steps until they end, the conversation is long enough, or they can't go on (`cut`)."""
        self._slots = {
            slot.name: slot.initial for slot in self.speech.bot.slots.values() if slot.initial is not None
        }
        try:
            for index, step in enumerate(steps):
                self._step(step, steps[index + 1 :])
        except CutShort as cut:
            self.cut = cut
        self._flush()
        self._trim()

    def _step(self, step: Step, rest: Sequence[Step]) -> None:
        if isinstance(step, UserStep):
            self._user(step)
        elif isinstance(step, ActionStep):
            self._act(step, rest)
        elif isinstance(step, BotStep):
            self._say(step, (step.text,), step.text)
        elif isinstance(step, LoopStep):
            self._loop(step)
        elif isinstance(step, SlotStep):
            self._slots.update({name: value for name, value in step.values if value is not None})

    # --- users

    def _user(self, step: UserStep) -> None:
        choice = step.choices[self.alternative % len(step.choices)]
        found = self.speech.said(choice, self.random)
        if found is None:
            why = "has no example in the NLU data"
            raise CutShort(step, f"intent `{choice.intent}`", why, "add examples, or leave the story out")
        if self._form is None:
            self._trigger = found[0]
        self._listen(step, found[0], found[1], given=choice.said is not None)

    def _listen(self, step: Step, intent: str, said: Utterance, *, given: bool) -> None:
        self._flush()
        if self.messages and self.messages[-1]["role"] == "user":
            raise CutShort(step, "two user turns in a row", "nothing is answered in between")
        if sum(_size(message) for message in self.messages) + len(said.text) > MAX_CHARACTERS:
            raise CutShort(step, "the conversation", "is longer than a training example; it ends here")
        self.messages.append({"role": "user", "content": said.text})
        self.intents.append(intent)
        self._entities = dict(arguments_of(self.speech.bot, said))
        self._slots.update(self._entities)
        self._said.update(self._entities)
        self._given, self._fresh, self._filled = given, True, None

    # --- the bot

    def _act(self, step: ActionStep, rest: Sequence[Step]) -> None:
        bot, name = self.speech.bot, step.name
        if name == "action_listen":
            return
        if name in bot.forms:
            self._run_form(step, bot.forms[name], rest)
        elif is_utterance(bot, name):
            self._utter(step, name)
        elif name in self.specs:
            self._call(step, name)
        elif name in BUILT_IN:
            raise CutShort(step, f"`{name}`", "is an action of Rasa's own that has no counterpart")
        else:
            raise CutShort(step, f"`{name}`", "is no action that is declared here")

    def _utter(self, step: Step, name: str) -> None:
        intent = self.intents[-1]
        if self.speech.response(name, intent) is None:
            raise CutShort(step, f"`{name}`", "is not among the responses", "add it to the domain")
        raw = self.speech.texts(name, intent)
        if not raw:
            raise CutShort(
                step, f"`{name}`", "has no text of its own (condition, channel, image or custom only)"
            )
        text = self.speech.filled(name, intent, self._slots, self.random)
        if text is None:
            wanted = {slot for one in raw for slot in placeholders(one)}
            missing = sorted(slot for slot in wanted if not source_of(slot, self._slots))
            why = f"needs {', '.join(f'{{{slot}}}' for slot in missing)}, which only code sets"
            raise CutShort(step, f"`{name}`", why, "let the action that knows the value say it")
        self._note_derived(name, raw)
        self._say(step, tuple(filter(None, (fill(one, self._slots) for one in raw))), text)

    def _note_derived(self, name: str, texts: Sequence[str]) -> None:
        for slot in {slot for one in texts for slot in placeholders(one)}:
            source = source_of(slot, self._slots)
            if source not in ("", slot) and (response := self.speech.response(name, self.intents[-1])):
                why = f"is made by code; in the dialogues the value of `{source}` stands in its place"
                self.speech.bot.note("response", response.place, f"`{name}`, {{{slot}}}", why)

    def _say(self, step: Step, texts: tuple[str, ...], text: str) -> None:
        if not self.messages:
            raise CutShort(step, "the story", "begins with a text of the bot")
        self._note_turn(None, texts)
        self._pending.append(text)

    def _call(self, step: Step, name: str) -> None:
        spec = self.specs[name]
        properties = spec.parameters.get("properties", {})
        known = {**self._entities, **(self._of_form() if self._filled else {})}
        arguments = {key: known[key] for key in properties if key in known}
        missing = [key for key in spec.parameters.get("required", ()) if key not in arguments]
        if missing:
            raise CutShort(step, f"`{name}`", f"needs {', '.join(missing)}, which nobody said")
        self._note_turn((name, arguments), ())
        function = {"name": name, "arguments": arguments}
        text = "\n".join(self._pending)
        self._pending.clear()
        self.messages.append(
            {"role": "assistant", "content": text, "tool_calls": [{"type": "function", "function": function}]}
        )
        # What the action answers is known only where it runs.
        self.messages.append({"role": "tool", "name": name, "content": {}})
        for slot in self._filled.required if self._filled else ():
            self._said.pop(slot, None)  # the next form asks anew
        self._filled = None

    def _note_turn(self, call: tuple[str, Mapping[str, Any]] | None, texts: tuple[str, ...]) -> None:
        if self._fresh:
            self.turns.append(Turn(tuple(self.messages), self.intents[-1], self._given, call, texts))
        self._fresh = False

    def _flush(self) -> None:
        if self._pending:
            self.messages.append({"role": "assistant", "content": "\n".join(self._pending)})
            self._pending.clear()

    def _trim(self) -> None:
        """The conversation ends with what the assistant says or calls."""
        while self.messages and self.messages[-1]["role"] != "assistant":
            self.messages.pop()

    # --- forms

    def _loop(self, step: LoopStep) -> None:
        if step.name:
            self._form = self.speech.bot.forms.get(step.name, self._form)
        else:
            self._filled, self._form = self._form or self._filled, None

    def _run_form(self, step: ActionStep, form: Form, rest: Sequence[Step]) -> None:
        if self._form is not form:
            self._form = form
            self._from_trigger(form)
        missing = self._missing(form)
        # A form that opens and closes in two steps was asked for its first slot by both; ask once.
        if not _completes(rest, form.name):
            if missing and not self._opens_again(rest, form.name):
                self._ask(step, form, missing[0])
            return
        for slot in missing:
            if self._missing(form) and slot in self._missing(form):
                self._ask(step, form, slot)
                self._answer(step, form, slot)

    def _opens_again(self, rest: Sequence[Step], form: str) -> bool:
        """Whether the same form runs again before the user speaks."""
        for step in rest:
            if isinstance(step, UserStep):
                return False
            if isinstance(step, ActionStep):
                return step.name == form
        return False

    def _missing(self, form: Form) -> list[str]:
        return [slot for slot in form.required if self._said.get(slot) is None]

    def _from_trigger(self, form: Form) -> None:
        for name in form.required:
            slot = self.speech.bot.slots.get(name)
            for mapping in slot.mappings if slot else ():
                if mapping.type == "from_trigger_intent" and self._trigger in mapping.intents:
                    value = typed(slot, mapping.value)
                    if value is not None and self._said.get(name) is None:
                        self._said[name] = self._slots[name] = value

    def _ask(self, step: ActionStep, form: Form, slot: str) -> None:
        response = question_response(self.speech.bot, form.name, slot)
        action = question_action(self.speech.bot, form.name, slot)
        if response:
            self._utter(step, response)
        elif action in self.specs:
            self._call(step, action)
        else:
            what, why = f"slot `{slot}` of `{form.name}`", "has no question (utter_ask_… or action_ask_…)"
            raise CutShort(step, what, why, f"add utter_ask_{slot} to the domain")

    def _answer(self, step: ActionStep, form: Form, slot: str) -> None:
        answers = self.speech.answers(form, slot, (self._trigger,))
        if not answers:
            what, why = (
                f"slot `{slot}` of `{form.name}`",
                "has no example of an answer; dialogues end at its question",
            )
            raise CutShort(step, what, why, "annotate the entity in examples of `inform`")
        answer = self.random.choice(answers)
        self.invented += answer.invented
        kept = self._trigger
        self._listen(step, self.intents[-1], answer.said, given=False)
        self._trigger = kept
        self._said[slot] = self._slots[slot] = answer.value

    def _of_form(self) -> Mapping[str, Any]:
        required = self._filled.required if self._filled else ()
        return {slot: self._said[slot] for slot in required if self._said.get(slot) is not None}


def _completes(rest: Sequence[Step], form: str) -> bool:
    """Whether the form ends before the user says something that is no answer."""
    for step in rest:
        if isinstance(step, LoopStep) and not step.name:
            return True
        if isinstance(step, UserStep) or (isinstance(step, ActionStep) and step.name != form):
            return False
    return False


def _size(message: Message) -> int:
    calls = json.dumps(message["tool_calls"], ensure_ascii=False) if "tool_calls" in message else ""
    return len(str(message["content"])) + len(calls) + 12
