"""Which declared actions fit the static prompt, and how long their descriptions may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from senmon.dataset.rasa.bot import Bot, Place
from senmon.packs.manifest import ActionSpec

#: Tokens of system text and signatures together; a pack's budget is 400, the marks around them included.
ROOM = 388
Count = Callable[[str], int]
_SHORTER = (60, 48, 36, 30, 26, 22, 18, 14)
_PIECE = re.compile(r"[a-z]{1,7}|[A-Z]|\d|_|[^\w\s]|[^\W\d_a-zA-Z]")


def estimated_tokens(text: str) -> int:
    """Tokens of `text`, about; on the safe side for identifiers and plain English."""
    return len(_PIECE.findall(text)) + 2 * (text.count("\n") + 1)


def fitted(specs: Sequence[ActionSpec], bot: Bot, room: int, count: Count) -> tuple[ActionSpec, ...]:
    """The specs that fit `room` tokens: descriptions are cut first, then the least used actions stay out.

    `specs` come with the most used first. Both are noted.
    """
    if _size(specs, count) <= room:
        return tuple(specs)
    for length in _SHORTER:
        short = tuple(_cut(spec, length) for spec in specs)
        if _size(short, count) <= room:
            _note(bot, f"{len(specs)} actions share the static prompt: cut to {length} characters at most")
            return short
    _note(bot, f"{len(specs)} actions share the static prompt: cut to {_SHORTER[-1]} characters at most")
    kept: list[ActionSpec] = []
    for spec in short:
        if _size([*kept, spec], count) <= room:
            kept.append(spec)
            continue
        why = "the static prompt has no room for its signature; its dialogues end before it"
        place = bot.actions.get(spec.name, Place("domain"))
        bot.note("action", place, f"`{spec.name}`", why, "divide the bot into several packs")
    return tuple(kept)


def _note(bot: Bot, why: str) -> None:
    place = min(bot.actions.values(), default=Place("domain"))
    bot.note("action", place, "descriptions of the actions", why, "rewrite them in pack.yaml")


def _size(specs: Iterable[ActionSpec], count: Count) -> int:
    return count("\n".join(["", "Tools:", *map(_signature, specs)]))


def _signature(spec: ActionSpec) -> str:
    required = spec.parameters.get("required", ())
    properties = spec.parameters.get("properties", {})
    names = ", ".join(name if name in required else f"{name}?" for name in properties)
    return f"- {spec.name}({names}): {spec.description}"


def _cut(spec: ActionSpec, length: int) -> ActionSpec:
    text = spec.description
    short = (
        text if len(text) <= length else text[: length + 1].rsplit(" ", 1)[0].rstrip(" ,") or text[:length]
    )
    return spec.model_copy(update={"description": short})
