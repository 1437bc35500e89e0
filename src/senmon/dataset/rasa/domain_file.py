"""The domain: intents, entities, slots, forms, responses, actions (1.x, 2.x and 3.x)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from senmon.dataset.rasa.bot import Filling, Form, Intent, Response, Slot
from senmon.dataset.rasa.yaml_part import Part

KEYS = frozenset(
    [
        "version",
        "intents",
        "entities",
        "slots",
        "forms",
        "responses",
        "templates",
        "actions",
        "session_config",
        "e2e_actions",
        "config",
        "action_endpoint",
        "imports",
    ]
)
_INTENT_OPTIONS = {"use_entities", "ignore_entities"}
_MOST_VARIATIONS = 200


def read_domain(part: Part) -> None:
    """Adds what the domain file `part` declares; a domain may be divided over many files."""
    readers = {
        "intents": _intents,
        "entities": _entities,
        "slots": _slots,
        "forms": _forms,
        "responses": read_responses,
        "templates": read_responses,
        "actions": _actions,
        "session_config": _session,
        "e2e_actions": _e2e,
    }
    for key, reader in readers.items():
        if key in part:
            reader(part.get(key))


def _named(part: Part) -> Iterator[tuple[str, Part]]:
    """Names of a list that holds texts, or mappings of one name to its options; or of a mapping."""
    if isinstance(part.value, Mapping):
        yield from ((item.name, item) for item in part.items())
        return
    for entry in part.entries():
        if isinstance(entry.value, Mapping):
            yield from ((item.name, item) for item in entry.items())
        elif name := entry.text().strip():
            yield name, Part(entry.bot, entry.file, entry.source, entry.keys, None)


def _intents(part: Part) -> None:
    for name, options in _named(part):
        triggers = ""
        for option in options.items() if isinstance(options.value, Mapping) else ():
            if option.name == "triggers":
                triggers = option.text()
            elif option.name in _INTENT_OPTIONS and option.value not in (True, None):
                option.note("intent", f"`{option.name}` of `{name}`", "entities always reach the actions")
            elif option.name not in _INTENT_OPTIONS and option.name != "is_retrieval_intent":
                option.note("intent", f"`{option.name}` of `{name}`", "is not an option that is known here")
        part.bot.intents[name] = Intent(name, options.place, triggers)


def _entities(part: Part) -> None:
    for name, options in _named(part):
        part.bot.entities[name] = options.place
        for option in options.items() if isinstance(options.value, Mapping) else ():
            if option.name == "influence_conversation":
                option.note("entity", f"influence_conversation of `{name}`", "concerns policies only")


def _slots(part: Part) -> None:
    for item in part.items():
        kind = item.get("type").text() if "type" in item else "any"
        if item.name in part.bot.slots:
            item.note("slot", f"slot `{item.name}`", "is declared in two files; the later one is taken")
        part.bot.slots[item.name] = Slot(
            name=item.name,
            type=_known_type(item, kind),
            place=item.place,
            initial=item.get("initial_value").value if "initial_value" in item else None,
            values=item.get("values").texts() if "values" in item else (),
            mappings=_mappings(item),
        )


def _known_type(slot: Part, kind: str) -> str:
    if kind in ("text", "bool", "float", "list", "categorical", "any"):
        return kind
    if kind != "unfeaturized":
        slot.note("slot", f"type `{kind[:60]}` of `{slot.name}`", "is a class of its own; taken as any value")
    return "any"


def _mappings(slot: Part) -> tuple[Filling, ...]:
    found = [filling(entry, slot.name) for entry in slot.get("mappings").entries()]
    if slot.get("auto_fill").value is not False and not any(found):
        found.append(Filling("from_entity", slot.name))
    return tuple(each for each in found if each is not None)


def filling(part: Part, slot: str, form: str = "") -> Filling | None:
    """One slot mapping. None, with a note, for one that only code can carry out."""
    if not isinstance(part.value, Mapping):
        part.fault("is not a slot mapping", "write `type: from_entity` and `entity: name`")
        return None
    kind = part.get("type").text() if "type" in part else "custom"
    if kind in ("custom", "controlled", "from_llm"):
        part.note(
            "slot", f"mapping `{kind}` of `{slot}`", "is carried out by code; actions may still set the slot"
        )
        return None
    active = tuple(
        entry.get("active_loop").text()
        for entry in part.get("conditions").entries()
        if "active_loop" in entry and entry.get("active_loop").value is not None
    )
    return Filling(
        type=kind,
        entity=part.get("entity").text() if "entity" in part else slot,
        role=part.get("role").text() if "role" in part else "",
        intents=part.get("intent").texts(),
        not_intents=part.get("not_intent").texts(),
        value=part.get("value").value,
        forms=(form,) if form else active,
    )


def _forms(part: Part) -> None:
    for name, options in _named(part):
        required: list[str] = []
        wanted = options.get("required_slots") if "required_slots" in options else options
        if isinstance(wanted.value, list):
            required = list(wanted.texts())
        elif isinstance(wanted.value, Mapping):
            required = _mapped_slots(wanted, name)
        for option in options.items() if isinstance(options.value, Mapping) else ():
            if option.name == "ignored_intents" and option.value:
                option.note("form", f"ignored_intents of `{name}`", "the model decides from the conversation")
        if not required:
            options.note(
                "form", f"form `{name}`", "names no slots; its code asked for them", "see docs/rasa.md"
            )
        part.bot.forms[name] = Form(name, tuple(dict.fromkeys(required)), options.place)


def _mapped_slots(wanted: Part, form: str) -> list[str]:
    """2.x: the form itself holds the slots and how they are filled."""
    required: list[str] = []
    for slot in wanted.items():
        if slot.name in ("required_slots", "ignored_intents"):
            continue
        required.append(slot.name)
        fillings = (filling(entry, slot.name, form) for entry in slot.entries())
        added = tuple(each for each in fillings if each)
        known = wanted.bot.slots.get(slot.name) or Slot(slot.name, "any", slot.place)
        wanted.bot.slots[slot.name] = Slot(
            known.name, known.type, known.place, known.initial, known.values, (*added, *known.mappings)
        )
    return required


def read_responses(part: Part) -> None:
    """Adds responses; those in a list of texts (1.x) become variations too."""
    for item in part.items():
        variations = [found for entry in item.entries() if (found := _variation(entry)) is not None]
        if len(variations) > _MOST_VARIATIONS:
            item.fault(f"has more than {_MOST_VARIATIONS} variations", "keep the best ones")
        elif variations:
            if item.name in part.bot.responses:
                item.note("response", f"response `{item.name}`", "is declared twice; the later one is taken")
            part.bot.responses[item.name] = Response(item.name, tuple(variations), item.place)
        elif item.value is None or item.value == []:
            item.note("response", f"response `{item.name}`", "is empty")


def _variation(entry: Part) -> Mapping[str, Any] | None:
    if isinstance(entry.value, str):
        return {"text": entry.value}
    if not isinstance(entry.value, Mapping):
        entry.fault("is not a variation of a response", "write `- text: …`")
        return None
    if "text" in entry and entry.value["text"] is not None and not isinstance(entry.value["text"], str):
        return {**entry.value, "text": entry.get("text").text()}
    return entry.value


def _actions(part: Part) -> None:
    for name, options in _named(part):
        part.bot.actions.setdefault(name, options.place)


def _session(part: Part) -> None:
    for item in part.items():
        item.note("session", item.name, "a conversation here lasts until the visitor starts a new one")


def _e2e(part: Part) -> None:
    for entry in part.entries():
        entry.note("e2e_actions", entry.text()[:60], "end-to-end texts are learnt from the stories instead")
