"""What the pack of a bot will hold: conversations, routing requests, negatives, suites."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from senmon.dataset.imports.imported import Imported
from senmon.dataset.normal_form import normalised
from senmon.dataset.rasa.bot import (
    ActionStep,
    Asked,
    Bot,
    Example,
    LoopStep,
    Note,
    Place,
    Step,
    UserStep,
)
from senmon.dataset.rasa.declared_actions import declare
from senmon.dataset.rasa.dialogue import Dialogue, Message, Turn
from senmon.dataset.rasa.held_requests import HeldRequests
from senmon.dataset.rasa.left_behind import note_left_behind
from senmon.dataset.rasa.paths import Steps, StoryPath, find_paths
from senmon.dataset.rasa.prompt_room import ROOM, Count, estimated_tokens, fitted
from senmon.dataset.rasa.speech import Speech
from senmon.packs.manifest import ActionSpec

#: Intents of politeness and of answers: they never move a conversation to another pack, and what they mean
#: depends on what was said before.
ALWAYS = frozenset(
    {
        "affirm",
        "agree",
        "bye",
        "confirm",
        "decline",
        "deny",
        "goodbye",
        "greet",
        "greeting",
        "hello",
        "hi",
        "inform",
        "no",
        "ok",
        "okay",
        "stop",
        "thank",
        "thank_you",
        "thanks",
        "thankyou",
        "yes",
    }
)
OUT_OF_SCOPE = ("out_of_scope", "outofscope", "out-of-scope", "oos", "nlu_fallback", "fallback")
MAX_CONVERSATIONS = 200_000
MOST_REQUESTS = 20_000


@dataclass(frozen=True, slots=True)
class Choices:
    """What the caller may choose. `variants`: dialogues made from each story. `negatives`: further intents
    that the pack must not get."""

    variants: int = 6
    seed: int = 0
    negatives: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """`requests` are (text, intent) for the router alone; `suites` are items of an evaluation suite."""

    bot: Bot
    specs: tuple[ActionSpec, ...]
    conversations: list[Imported] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    negatives: list[str] = field(default_factory=list)
    suite: list[dict[str, Any]] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)

    @property
    def notes(self) -> tuple[Note, ...]:
        """Each thing once, in the order of the files."""
        first: dict[tuple[str, Place, str], Note] = {}
        for note in self.bot.notes:
            first.setdefault((note.kind, note.place, note.what), note)
        return tuple(sorted(first.values(), key=lambda note: (note.kind, note.place)))


def make_plan(bot: Bot, choices: Choices, room: int = ROOM, count: Count = estimated_tokens) -> Plan:
    """The plan of a pack. What can't be carried over is added to the bot's notes.

    `room`: tokens that the signatures of the actions may take, counted by `count`.
    """
    paths, tests = find_paths(bot)
    specs = fitted(declare(bot, paths), bot, room, count)
    planner = _Planner(bot, Plan(bot, specs), choices, tests)
    planner.test_stories(tests)
    planner.examples(paths)
    planner.stories(paths)
    note_left_behind(bot, planner.plan.specs)
    return planner.plan


class _Planner:
    def __init__(self, bot: Bot, plan: Plan, choices: Choices, tests: Sequence[StoryPath]) -> None:
        self.bot, self.plan, self.choices = bot, plan, choices
        self.negative = {*OUT_OF_SCOPE, *choices.negatives}
        self.specs: Mapping[str, ActionSpec] = {spec.name: spec for spec in plan.specs}
        self.held = HeldRequests(_first_requests(tests))
        self.speech = Speech(bot, self.held)
        self.seen: set[str] = set()
        self.said: set[tuple[str, str]] = set()

    def play(self, steps: Sequence[Step], seed: str, alternative: int = 0) -> Dialogue:
        random = Random(f"{self.choices.seed}:{seed}")
        dialogue = Dialogue(self.speech, self.specs, random, alternative)
        dialogue.play(steps)
        return dialogue

    # --- one turn for each NLU example

    def examples(self, paths: Sequence[StoryPath]) -> None:
        answers = self._answers(paths)
        negatives: dict[str, None] = {}
        requests: dict[tuple[str, str], None] = {}
        for example in self.bot.examples:
            if example.intent.split("/")[0] in self.negative or example.intent in self.negative:
                negatives.setdefault(example.said.text)
            elif not self._answered(example, answers.get(example.intent)):
                requests.setdefault((example.said.text, example.intent))
        self.plan.negatives = list(negatives)[:MOST_REQUESTS]
        self.plan.requests = list(requests)[:MOST_REQUESTS]
        for kind, count in (("negatives", len(negatives)), ("requests", len(requests))):
            if count > MOST_REQUESTS:
                why = f"{count:,} {kind} are more than a pack may hold; the first {MOST_REQUESTS:,} are kept"
                self.bot.note("nlu", Place("nlu"), kind, why)

    def _answers(self, paths: Sequence[StoryPath]) -> Mapping[str, Steps]:
        """Intent → what follows it as a first message: by a rule, the most frequent story, a response."""
        votes: dict[str, Counter[Steps]] = defaultdict(Counter)
        for path in paths:
            first = path.steps[0]
            following = _first_exchange(path.steps, self.bot)
            for choice in first.choices if isinstance(first, UserStep) and following else ():
                votes[choice.intent][following] += 1000 if path.kind == "rule" else 1
        found = {intent: counts.most_common(1)[0][0] for intent, counts in votes.items()}
        for intent, steps in _always_called(paths, self.specs).items():
            if intent not in ALWAYS:
                found.setdefault(intent, steps)
        for known in self.bot.intents.values():
            if known.triggers:
                found.setdefault(known.name, (ActionStep(known.triggers, known.place),))
        for name in dict.fromkeys(example.intent for example in self.bot.examples):
            family = found.get(name.split("/")[0]) if "/" in name else None
            response = self.bot.responses.get(f"utter_{name}")
            if family:
                found.setdefault(name, family)
            elif response:
                found.setdefault(name, (ActionStep(response.name, response.place),))
        return found

    def _answered(self, example: Example, answer: Steps | None) -> bool:
        if answer is None or example.said.text in self.held:
            return False
        asked = UserStep((Asked(example.intent, (), example.said),), example.place)
        dialogue = self.play((asked, *answer), f"nlu:{example.intent}:{example.said.text}")
        if (said := (example.intent, normalised(example.said.text))) in self.said:
            self.plan.made["repetitions left out"] += 1
            return True
        taken = self._take(dialogue, example.place, "nlu", cut_counts=len(dialogue.messages) < 2)
        if taken:
            self.said.add(said)
        return taken

    # --- dialogues

    def stories(self, paths: Sequence[StoryPath]) -> None:
        for path in paths:
            steps = self._in_scope(path)
            if not steps:
                what = f"“{path.name}”"
                why = "begins out of scope: such messages are negatives, the router gives them to no pack"
                self.bot.note(path.kind, path.place, what, why)
                continue
            widest = max(len(step.choices) for step in steps if isinstance(step, UserStep))
            for variant in range(max(self.choices.variants, widest)):
                dialogue = self.play(steps, f"{path.place}:{path.name}:{variant}", variant)
                self._take(dialogue, path.place, path.kind, name=path.name)

    def _in_scope(self, path: StoryPath) -> Steps:
        first = path.steps[0]
        choices = (
            tuple(one for one in first.choices if one.intent not in self.negative)
            if isinstance(first, UserStep)
            else ()
        )
        return (UserStep(choices, first.place), *path.steps[1:]) if choices else ()

    def _take(
        self, dialogue: Dialogue, place: Place, kind: str, *, name: str = "", cut_counts: bool = True
    ) -> bool:
        """Adds a conversation that holds a reply or a call; notes where it was cut short."""
        if dialogue.cut is not None and cut_counts:
            cut = dialogue.cut
            story = f" (in “{name}”)" if name else ""
            self.bot.note(kind, cut.step.place, f"{cut.what}{story}", cut.why, cut.remedy)
            self.plan.made["cut short"] += 1
        if len(dialogue.messages) < 2 or dialogue.intents[0] in self.negative:
            return False
        key = json.dumps(dialogue.messages, ensure_ascii=False, sort_keys=True)
        if key in self.seen or len(self.seen) >= MAX_CONVERSATIONS:
            return True
        self.seen.add(key)
        tags = (f"rasa-{kind}", str(place), *(("invented-value",) if dialogue.invented else ()))
        self.plan.conversations.append(
            Imported(place.path, place.line, dialogue.messages, dialogue.intents[0], tags)
        )
        self.plan.made["one-turn examples" if kind == "nlu" else "dialogues"] += 1
        self.plan.made["dialogues with invented values"] += bool(dialogue.invented)
        return True

    # --- test stories

    def test_stories(self, tests: Sequence[StoryPath]) -> None:
        items: dict[str, dict[str, Any]] = {}
        for number, path in enumerate(tests, start=1):
            dialogue = self.play(path.steps, f"test:{path.place}")
            if dialogue.cut is not None:
                cut = dialogue.cut
                self.bot.note("test", cut.step.place, f"{cut.what} (in “{path.name}”)", cut.why, cut.remedy)
            for item in self._items(path, dialogue.turns):
                key = json.dumps([item["kind"], item["messages"]], ensure_ascii=False)
                items.setdefault(key, {"id": f"{number}-{len(items) + 1}-{item['kind']}", **item})
        self.plan.suite = list(items.values())

    def _items(self, path: StoryPath, turns: Sequence[Turn]) -> Iterator[dict[str, Any]]:
        for turn in turns:
            if not turn.given:
                continue
            if len(turn.messages) == 1:
                pack = None if turn.intent in self.negative else ""
                yield {
                    "kind": "route",
                    "intent": turn.intent,
                    "messages": [*turn.messages],
                    "expect": {"pack": pack},
                }
            if turn.intent in self.negative and len(turn.messages) == 1:
                continue
            messages = [_with_text(message) for message in turn.messages]
            base = {"intent": turn.intent, "messages": messages}
            if turn.call:
                name, arguments = turn.call
                yield {"kind": "action", **base, "expect": {"action": name, "arguments": dict(arguments)}}
            elif texts := [text for text in turn.texts if text and len(text) <= 500]:
                yield {"kind": "reply", **base, "expect": {"contains": texts}}


def _always_called(paths: Sequence[StoryPath], specs: Mapping[str, ActionSpec]) -> Mapping[str, Steps]:
    """Intents that never come first but are answered by one and the same action wherever they come."""
    following: dict[str, set[str]] = defaultdict(set)
    steps: dict[str, Steps] = {}
    for path in paths:
        for step, after in pairwise(path.steps):
            for choice in step.choices if isinstance(step, UserStep) else ():
                following[choice.intent].add(after.name if isinstance(after, ActionStep) else "")
                steps[choice.intent] = (after,)
    return {
        intent: steps[intent]
        for intent, names in following.items()
        if len(names) == 1 and names <= set(specs)
    }


def _with_text(message: Message) -> Message:
    """A suite's tool messages hold text, and its calls their ids."""
    if message["role"] == "tool":
        return {**message, "content": json.dumps(message["content"])}
    return message


def _first_requests(tests: Sequence[StoryPath]) -> Iterator[str]:
    for path in tests:
        first = path.steps[0]
        for choice in first.choices if isinstance(first, UserStep) else ():
            if choice.said:
                yield choice.said.text


def _first_exchange(steps: Steps, bot: Bot) -> Steps:
    """The steps behind the first user turn up to the next one; a form is left at its first question."""
    found: list[Step] = []
    for step in steps[1:]:
        if isinstance(step, UserStep) or (isinstance(step, LoopStep) and not step.name):
            break
        found.append(step)
        if isinstance(step, ActionStep) and step.name in bot.forms:
            break
    return tuple(found)
