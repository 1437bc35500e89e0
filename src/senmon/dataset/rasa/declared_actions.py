"""Custom actions → the declared actions of the pack: names, arguments, when to call them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import regex

from senmon.dataset.rasa.bot import ActionStep, Bot, LoopStep, Place, UserStep
from senmon.dataset.rasa.entity_slots import schema_of, slots_of
from senmon.dataset.rasa.paths import StoryPath
from senmon.packs.action_rules import IDENTITY_ARGUMENT
from senmon.packs.manifest import ActionSpec

NAME = re.compile(r"[a-zA-Z][\w-]{0,63}")
#: Actions that Rasa itself brings along.
BUILT_IN = frozenset(
    [
        "action_listen",
        "action_restart",
        "action_session_start",
        "action_default_fallback",
        "action_deactivate_loop",
        "action_deactivate_form",
        "action_revert_fallback_events",
        "action_default_ask_affirmation",
        "action_default_ask_rephrase",
        "action_two_stage_fallback",
        "action_unlikely_intent",
        "action_back",
        "action_extract_slots",
        "action_validate_slot_mappings",
    ]
)
_SECONDS = 0.2
_PROBES = ("a" * 60 + "!", "1" * 60 + "!", "a1 " * 30 + "!", "aA1-_" * 20 + "!")


@dataclass(slots=True)
class Use:
    """Where an action occurs: after which intents, and after which form was filled."""

    intents: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    forms: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    count: int = 0
    always_after_form: bool = True


def is_utterance(bot: Bot, name: str) -> bool:
    return name in bot.responses or name.startswith(("utter_", "respond_"))


def uses_of(bot: Bot, paths: Sequence[StoryPath]) -> Mapping[str, Use]:
    """Every custom action of the paths."""
    uses: dict[str, Use] = defaultdict(Use)
    for path in paths:
        intents: tuple[str, ...] = ()
        active = filled = ""
        for step in path.steps:
            if isinstance(step, UserStep):
                intents, filled = tuple(choice.intent for choice in step.choices), ""
            elif isinstance(step, LoopStep):
                active, filled = step.name, active if not step.name else ""
            elif isinstance(step, ActionStep) and step.name in bot.forms:
                active = step.name
            elif isinstance(step, ActionStep) and _is_custom(bot, step.name):
                _count(uses[step.name], intents, filled)
                intents, filled = (), ""
    return uses


def _is_custom(bot: Bot, name: str) -> bool:
    return name not in BUILT_IN and name not in bot.forms and not is_utterance(bot, name)


def _count(use: Use, intents: Sequence[str], filled: str) -> None:
    use.count += 1
    use.always_after_form = use.always_after_form and bool(filled)
    if filled:
        use.forms[filled] += 1
        return
    for intent in intents:
        use.intents[intent] += 1


def question_action(bot: Bot, form: str, slot: str) -> str:
    """The custom action that asks for a slot, or ""."""
    names = (f"action_ask_{form}_{slot}", f"action_ask_{slot}")
    return next((name for name in names if name in bot.actions), "")


def question_response(bot: Bot, form: str, slot: str) -> str:
    """The response that asks for a slot, or ""."""
    names = (f"utter_ask_{form}_{slot}", f"utter_ask_{slot}")
    return next((name for name in names if name in bot.responses), "")


def declare(bot: Bot, paths: Sequence[StoryPath]) -> tuple[ActionSpec, ...]:
    """The actions that the model may call, the most used first. The others are noted, with the reason."""
    uses = uses_of(bot, paths)
    specs = [_spec(bot, name, use) for name, use in uses.items() if _usable(bot, name)]
    asking = dict(_asking(bot))
    specs += [
        _asking_spec(name, slot) for name, slot in asking.items() if name not in uses and _usable(bot, name)
    ]
    for name, place in bot.actions.items():
        if name not in uses and name not in asking and not is_utterance(bot, name):
            _note_unused(bot, name, place)
    counted = {name: use.count for name, use in uses.items()}
    return tuple(sorted(specs, key=lambda spec: (-counted.get(spec.name, 0), spec.name)))


def _asking(bot: Bot) -> list[tuple[str, str]]:
    """Actions that ask for a slot of a form, where no response does."""
    return [
        (action, slot)
        for form in bot.forms.values()
        for slot in form.required
        if (action := question_action(bot, form.name, slot)) and not question_response(bot, form.name, slot)
    ]


def _asking_spec(name: str, slot: str) -> ActionSpec:
    return ActionSpec(name=name, description=f"asks for {slot}"[:200], reply="verbatim")


def _usable(bot: Bot, name: str) -> bool:
    if NAME.fullmatch(name):
        return True
    place = bot.actions.get(name, Place("domain"))
    bot.note("action", place, f"action `{name[:80]}`", "can't be an action's name here", "rename it")
    return False


def _note_unused(bot: Bot, name: str, place: Place) -> None:
    if name.startswith("validate_") or name == "action_validate_slot_mappings":
        why = "validates a form in code; senmon checks arguments by their schema instead"
        bot.note("form", place, f"`{name}`", why, "check the values in the action that uses them")
    elif name in BUILT_IN:
        bot.note("action", place, f"`{name}`", "replaces an action of Rasa's own; nothing calls it here")
    elif name in bot.forms:
        return
    elif name.startswith("action_ask_"):
        bot.note("action", place, f"`{name}`", "a response asks for the same slot, and that text is learnt")
    else:
        bot.note("action", place, f"`{name}`", "no story calls it, so nothing shows when to", "add a story")


def _spec(bot: Bot, name: str, use: Use) -> ActionSpec:
    place = bot.actions.get(name, Place("domain"))
    if name not in bot.actions:
        bot.note("action", place, f"`{name}`", "is called by a story but not declared in the domain")
    names, required, entities = _arguments(bot, use)
    if IDENTITY_ARGUMENT in names:
        why = f"`{IDENTITY_ARGUMENT}` is set by the server from the verified identity"
        bot.note("action", place, f"argument of `{name}`", why, "set identity: customer for the action")
        names = [each for each in names if each != IDENTITY_ARGUMENT]
    properties = {each: schema_of(bot.slots.get(each)) for each in names}
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [each for each in required if each in properties]:
        parameters["required"] = required
    parameters["additionalProperties"] = False
    return ActionSpec(
        name=name,
        description=_description(name, use),
        parameters=parameters,
        candidates=_candidates(bot, {each: entities[each] for each in names if each in entities}),
        reply="verbatim",
    )


def _arguments(bot: Bot, use: Use) -> tuple[list[str], list[str], Mapping[str, str]]:
    """Names of the arguments, those required, and which entity each one comes from."""
    names: dict[str, None] = {}
    entities: dict[str, str] = {}
    for form in use.forms:
        names.update(dict.fromkeys(bot.forms[form].required))
    required = list(names) if use.always_after_form and len(use.forms) == 1 else []
    for example in bot.examples:
        if example.intent in use.intents:
            for entity in example.said.entities:
                for name in slots_of(bot, entity.name, entity.role) or (entity.name,):
                    names.setdefault(name)
                    entities.setdefault(name, entity.name)
    return list(names), required, entities


def _description(name: str, use: Use) -> str:
    wanted = sorted(use.intents, key=lambda intent: -use.intents[intent])[:3]
    if wanted:
        return f"for {', '.join(map(words, wanted))}"[:200]
    if use.forms:
        return f"after {' or '.join(words(form) for form in list(use.forms)[:2])}"[:200]
    return words(name.removeprefix("action_"))[:200]


def words(name: str) -> str:
    """`check_balance` → `check balance`."""
    return " ".join(re.split(r"[_\-/\s]+", name)).strip() or name


def _candidates(bot: Bot, entities: Mapping[str, str]) -> dict[str, str]:
    """Argument → pattern, from the regexes named for the entity that it comes from."""
    found = {}
    for argument, entity in entities.items():
        patterns = [pattern for pattern, _ in bot.regexes.get(entity, ())]
        joined = "|".join(f"(?:{pattern})" for pattern in patterns)
        place = bot.regexes[entity][0][1] if patterns else None
        if place is None:
            continue
        if why := _unfit(bot, entity, joined):
            if not any(note.place == place and note.kind == "regex" for note in bot.notes):
                bot.note("regex", place, f"regex `{entity}`", why)
        else:
            found[argument] = joined
    return found


def _unfit(bot: Bot, entity: str, pattern: str) -> str:
    """Why a pattern can't choose an argument's values; "" when it can."""
    try:
        re.compile(pattern)
        compiled = regex.compile(pattern)
        if compiled.fullmatch("", timeout=_SECONDS):
            return "matches the empty text"
        for probe in _PROBES:
            list(compiled.finditer(probe, timeout=_SECONDS))
        for example in bot.examples:
            for each in example.said.entities:
                if each.name == entity and not _chosen(compiled, example.said.text, each.value):
                    return f"does not match the annotated value “{each.value[:40]}” ({example.place})"
    except (re.error, regex.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression that is read here: {error}"
    except TimeoutError:
        return "takes too long on some texts"
    return ""


def _chosen(compiled: Any, text: str, value: str) -> bool:
    return value in {match.group(0).strip() for match in compiled.finditer(text, timeout=_SECONDS)}
