"""pydantic's validation errors as problems with a line and a remedy."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from senmon.errors import Problem
from senmon.packs.yaml_text import Place, YamlText, dotted

_SHAPES = {
    "string_type": "write text; put numbers and the like in quotes",
    "tuple_type": "write a list: [first, second]",
    "dict_type": "write a mapping: {name: value}",
    "model_type": "write a mapping: {name: value}",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
}


def model_problems(
    model: type[BaseModel], error: ValidationError, source: YamlText, path: str
) -> list[Problem]:
    """One Problem per error, at the line of its field (or of the nearest mapping around it)."""
    return [_problem(model, detail, source, path) for detail in error.errors(include_url=False)]


def _problem(model: type[BaseModel], detail: Any, source: YamlText, path: str) -> Problem:
    place, why, remedy = field_fault(model, detail)
    return Problem(path, source.line(place), dotted(place), why, remedy)


def field_fault(model: type[BaseModel], detail: Any) -> tuple[Place, str, str]:
    """Place, reason and remedy of one error of `ValidationError.errors()`."""
    place: Place = tuple(detail["loc"])
    kind, why = detail["type"], _sentence(detail["msg"])
    owner, info = _locate(model, place)
    if kind == "extra_forbidden":
        why, remedy = "unknown field", _closest(owner, str(place[-1]))
    elif kind == "missing":
        description = f": {info.description}" if info and info.description else ""
        why, remedy = "is missing", f"add it{description}"
    else:
        remedy = _SHAPES.get(kind) or (info.description if info else None) or "correct the value"
    return place, why, remedy


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _closest(owner: type[BaseModel] | None, name: str) -> str:
    known = sorted(owner.model_fields) if owner else []
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"remove it; known fields: {', '.join(known)}" if known else "remove it"


def _locate(model: type[BaseModel], place: Place) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model and the field that `place` ends in."""
    owner: type[BaseModel] | None = model
    info: FieldInfo | None = None
    inner: type[BaseModel] | None = model
    for key in place:
        if isinstance(key, int):
            continue
        owner = inner
        info = owner.model_fields.get(key) if owner else None
        inner = _inner_model(info.annotation) if info else None
    return owner, info


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _inner_model(part))), None)
