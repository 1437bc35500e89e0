"""What the pack can't hold as it was: noted, each thing with its place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from senmon.dataset.rasa.bot import ActionStep, Bot, Response, UserStep
from senmon.packs.manifest import ActionSpec

_SEEN_ONLY = ("image", "attachment", "custom", "elements", "quick_replies")


def note_left_behind(bot: Bot, specs: Sequence[ActionSpec]) -> None:
    """Notes intents without examples, values that no action takes, parts of responses."""
    taken = {name for spec in specs for name in spec.parameters.get("properties", {})}
    _intents(bot)
    _values(bot, taken)
    _patterns(bot, {name for spec in specs for name in spec.candidates})
    _texts(bot)
    for response in bot.responses.values():
        _response(bot, response)


def _intents(bot: Bot) -> None:
    having = {part for example in bot.examples for part in (example.intent, example.intent.split("/")[0])}
    for intent in bot.intents.values():
        if intent.name not in having:
            bot.note(
                "intent", intent.place, f"intent `{intent.name}`", "has no NLU example, so it can't be routed"
            )
    for name in sorted({example.intent.split("/")[0] for example in bot.examples} - set(bot.intents)):
        place = next(one.place for one in bot.examples if one.intent.split("/")[0] == name)
        if bot.intents:
            bot.note(
                "intent", place, f"intent `{name}`", "is not declared in the domain; its examples are taken"
            )


def _values(bot: Bot, taken: Iterable[str]) -> None:
    known = set(taken)
    annotated = {entity.name for example in bot.examples for entity in example.said.entities}
    for name, place in bot.entities.items():
        if name not in annotated and name not in known:
            bot.note("entity", place, f"entity `{name}`", "no example is annotated with it")
        elif name not in known and not any(name in _sources(bot, slot) for slot in known):
            bot.note("entity", place, f"entity `{name}`", "no action that a story calls takes it")
    for slot in bot.slots.values():
        if slot.name not in known and slot.mappings:
            bot.note(
                "slot", slot.place, f"slot `{slot.name}`", "is no argument of an action that a story calls"
            )
        if slot.initial is not None:
            why = (
                f"initial value `{str(slot.initial)[:40]}` stands in texts that were learnt, not in the slot"
            )
            bot.note("slot", slot.place, f"slot `{slot.name}`, initial value", why, "set it in the action")
    roles = {
        (one.name, one.role or one.group)
        for ex in bot.examples
        for one in ex.said.entities
        if one.role or one.group
    }
    for name, role in sorted(roles):
        mapped = any(
            m.entity == name and m.role == role for slot in bot.slots.values() for m in slot.mappings
        )
        if not mapped:
            place = next(
                ex.place for ex in bot.examples for one in ex.said.entities if role in (one.role, one.group)
            )
            why = "no slot is mapped to it, so actions get the entity without it"
            bot.note(
                "entity", place, f"role or group `{role}` of `{name}`", why, "map it to a slot of its own"
            )


def _sources(bot: Bot, slot: str) -> set[str]:
    known = bot.slots.get(slot)
    return {mapping.entity for mapping in known.mappings} if known else {slot}


def _patterns(bot: Bot, used: Iterable[str]) -> None:
    entities = {source for name in used for source in (name, *_sources(bot, name))}
    noted = {note.place for note in bot.notes if note.kind == "regex"}
    for name, patterns in bot.regexes.items():
        if name not in entities and patterns[0][1] not in noted:
            why = "no action takes an argument from an entity of that name"
            bot.note("regex", patterns[0][1], f"regex `{name}`", why)
    for name, values in bot.lookups.items():
        place = next((where for table, _, where in bot.lookup_files if table == name), None)
        if values and place:
            bot.note("lookup", place, f"lookup `{name}`", _LOOKUP)
    if bot.synonyms:
        place = min(place for _, place in bot.synonyms.values())
        why = "stand in the calls of the data, where the model learns them; nothing is replaced in serving"
        bot.note("synonym", place, f"{len(bot.synonyms)} synonyms", why)


_LOOKUP = "its values answer the questions of forms in the data; nothing is looked up in serving"


def _texts(bot: Bot) -> None:
    """Requests that stand under several intents: the router can't learn both."""
    intents: dict[str, dict[str, None]] = defaultdict(dict)
    counts = Counter[str]()
    for example in bot.examples:
        key = example.said.text.lower()
        counts[key] += 1
        before = intents[key]
        if before and example.intent not in before:
            why = f"stands under {', '.join(f'`{name}`' for name in before)} too"
            bot.note(
                "nlu", example.place, f"“{example.said.text[:60]}” of `{example.intent}`", why, "keep one"
            )
        before.setdefault(example.intent)


def _response(bot: Bot, response: Response) -> None:
    name, place = f"`{response.name}`", response.place
    every = response.variations
    if any(one.get("condition") for one in every):
        why = "conditional variations are used by actions only; the model learns the others"
        bot.note("response", place, f"{name}, conditions", why)
    if any(one.get("channel") for one in every):
        why = "texts for one channel are kept in responses.yml and not learnt"
        bot.note("response", place, f"{name}, channels", why)
    seen = sorted({key for one in every for key in _SEEN_ONLY if one.get(key)})
    if seen:
        why = f"{', '.join(seen)}: kept in responses.yml; the model's own replies are text"
        bot.note("response", place, f"{name}, {', '.join(seen)}", why, "send the response from an action")
    if any(one.get("buttons") for one in every):
        why = "buttons are shown when an action sends the response; the model's own replies are text"
        bot.note("response", place, f"{name}, buttons", why, "send the response from an action")
    if bot.stories and not _is_said(bot, response.name):
        why = "no story says it: kept in responses.yml for actions, not learnt"
        bot.note("response", place, name, why)


def _is_said(bot: Bot, name: str) -> bool:
    if name.startswith("utter_ask_") and bot.forms:
        return True
    steps = [step for story in bot.stories for step in story.steps]
    if any(isinstance(step, ActionStep) and step.name == name for step in steps):
        return True
    intent = name.removeprefix("utter_")
    asked = any(
        isinstance(step, UserStep) and any(one.intent == intent for one in step.choices) for step in steps
    )
    return asked or any(one.triggers == name for one in bot.intents.values()) or "/" in name
