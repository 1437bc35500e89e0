"""Which arguments the entities of a message become."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from senmon.dataset.rasa.bot import Bot, Entity, Slot, Utterance

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")
MAX_VALUE = 200


def slots_of(bot: Bot, entity: str, role: str = "") -> tuple[str, ...]:
    """The slots that the entity fills everywhere or in some form; none: it is an argument by its own name."""
    found = [
        slot.name
        for slot in bot.slots.values()
        for mapping in slot.mappings
        if mapping.type == "from_entity" and mapping.entity == entity and mapping.role in ("", role)
    ]
    return tuple(dict.fromkeys(found))


def arguments_of(bot: Bot, said: Utterance) -> Mapping[str, Any]:
    """Argument → value for all entities of a message. Several values are kept where the slot is a list."""
    values: dict[str, list[str]] = defaultdict(list)
    for entity in said.entities:
        for name in slots_of(bot, entity.name, entity.role) or (entity.name,):
            values[name].append(meaning(bot, entity))
    found: dict[str, Any] = {}
    for name, texts in values.items():
        slot = bot.slots.get(name)
        value = texts if slot and slot.type == "list" else typed(slot, texts[-1])
        if value is not None:
            found[name] = value
    return found


def meaning(bot: Bot, entity: Entity) -> str:
    """The entity's value, synonyms applied."""
    known = bot.synonyms.get(entity.value.lower())
    return (known[0] if known else entity.value)[:MAX_VALUE]


def typed(slot: Slot | None, value: Any) -> Any:
    """`value` in the slot's type, or None when it can't be."""
    kind, text = slot.type if slot else "any", str(value).strip()
    if kind == "bool":
        return {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}.get(text.lower())
    if kind == "float":
        return _number(text)
    if kind == "list":
        return value if isinstance(value, list) else [text]
    if kind == "categorical" and slot and slot.values:
        return next((each for each in slot.values if each.lower() == text.lower()), None)
    if isinstance(value, bool):
        return ("yes" if value else "no") if kind == "any" else None
    return text[:MAX_VALUE] or None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def schema_of(slot: Slot | None) -> dict[str, Any]:
    """The JSON Schema of an argument that goes to `slot`."""
    kind = slot.type if slot else "any"
    if kind == "bool":
        return {"type": "boolean"}
    if kind == "float":
        return {"type": "number"}
    if kind == "list":
        return {"type": "array", "items": {"type": "string", "maxLength": MAX_VALUE}, "maxItems": 20}
    if kind == "categorical" and slot and slot.values:
        return {"type": "string", "enum": list(slot.values)}
    return {"type": "string", "maxLength": MAX_VALUE}
