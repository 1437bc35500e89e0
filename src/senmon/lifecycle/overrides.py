"""`--set recipe.lora.rank=32`: a recipe with some fields replaced."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from senmon.errors import ConfigError
from senmon.packs.manifest import RecipeSpec


def overridden(recipe: RecipeSpec, settings: Sequence[str]) -> RecipeSpec:
    """`recipe` with dotted fields replaced; `recipe.` in front may be left out.

    Lists are written `a,b` and null as `null`. Raises ConfigError naming every fault.
    """
    data = recipe.model_dump()
    known = dict(_fields(recipe))
    faults: list[str] = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().removeprefix("recipe.")
        if not equals:
            faults.append(f"{setting!r} is not NAME=VALUE")
        elif name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f", did you mean {near[0]}" if near else ""
            faults.append(f"there is no recipe field {name!r}{hint} (fields: {', '.join(known)})")
        else:
            _put(data, name, _value(text.strip(), known[name]))
    if faults:
        raise ConfigError("; ".join(faults), remedy="for example --set recipe.lora.rank=32")
    return _validated(data)


def _fields(model: BaseModel, before: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _fields(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _value(text: str, current: Any) -> Any:
    if text in ("null", "none"):
        return None
    if isinstance(current, tuple):
        return tuple(part.strip() for part in text.strip("[]").split(",") if part.strip())
    return text  # the schema turns it into a number or a truth value


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        data = data[part]
    data[last] = value


def _validated(data: dict[str, Any]) -> RecipeSpec:
    try:
        return RecipeSpec.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(
            f"recipe.{'.'.join(str(part) for part in fault['loc'])} = {fault['input']!r}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise ConfigError(faults, remedy="see the fields of `recipe` in docs/pack.schema.json") from error
