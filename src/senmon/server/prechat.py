"""What a site asks before a conversation: a small, safe part of JSON Schema, and answers that fit it.

Flat objects of strings, numbers, booleans and choices. No references, no patterns (a pattern can take
forever), everything bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from senmon.errors import ConfigError, RequestInvalid
from senmon.server.text import clean

MAX_FIELDS = 20
MAX_CHOICES = 50
MAX_TEXT = 2000
DEFAULT_TEXT = 200
_NAME = re.compile(r"[A-Za-z]\w{0,39}")
_TYPES = frozenset({"string", "integer", "number", "boolean"})
_TOP = frozenset(
    {"$schema", "title", "description", "type", "properties", "required", "additionalProperties"}
)
_FIELD = frozenset(
    {
        "type",
        "title",
        "description",
        "enum",
        "default",
        "format",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
    }
)
_FORMATS = {
    "email": (re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+"), "is no e-mail address"),
    "tel": (re.compile(r"\+?[\d ()/.-]{5,30}"), "is no telephone number"),
    "date": (re.compile(r"\d{4}-\d{2}-\d{2}"), "is no date like 2031-12-24"),
}


def check_schema(schema: object) -> dict[str, Any]:
    """The schema with its bounds filled in. ConfigError names everything that is not of the safe part."""
    faults: list[str] = []
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise ConfigError("the prechat schema is no object schema", remedy='begin it with {"type": "object"}')
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not 1 <= len(properties) <= MAX_FIELDS:
        raise ConfigError(f"the prechat schema needs 1 to {MAX_FIELDS} properties", remedy="ask for little")
    faults += [f"{name}: is not supported" for name in sorted(map(str, schema.keys() - _TOP))]
    if schema.get("additionalProperties", False) is not False:
        faults.append("additionalProperties: must be false")
    required = schema.get("required", [])
    if not isinstance(required, list) or not set(map(str, required)) <= set(properties):
        faults.append("required: must list names of properties")
    fields = {}
    for name, field in properties.items():
        faults += [f"{name}: {fault}" for fault in _field_faults(name, field)]
        if isinstance(field, dict):
            fields[name] = _bounded(field)
    if not faults:
        whole = {**schema, "properties": fields, "additionalProperties": False}
        faults = [
            error.message
            for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(whole)
        ]
    if faults:
        raise ConfigError(
            "the prechat schema: " + "; ".join(faults[:20]),
            remedy="flat fields of type string, integer, number or boolean; enum, format, length and range",
        )
    return whole


def _field_faults(name: str, field: object) -> list[str]:
    if not _NAME.fullmatch(name):
        return ["is no name of letters, digits and _ (at most 40)"]
    if not isinstance(field, dict):
        return ["is no schema"]
    faults = [f"{key} is not supported" for key in sorted(map(str, field.keys() - _FIELD))]
    if field.get("type") not in _TYPES:
        faults.append(f"type must be one of {', '.join(sorted(_TYPES))}")
    choices = field.get("enum", [None])
    if not isinstance(choices, list) or not 1 <= len(choices) <= MAX_CHOICES:
        faults.append(f"enum must hold 1 to {MAX_CHOICES} choices")
    if "format" in field and field["format"] not in _FORMATS:
        faults.append(f"format must be one of {', '.join(_FORMATS)}")
    longest = field.get("maxLength", DEFAULT_TEXT)
    if not isinstance(longest, int) or not 1 <= longest <= MAX_TEXT:
        faults.append(f"maxLength must be 1 to {MAX_TEXT}")
    for key in ("title", "description"):
        if not isinstance(field.get(key, ""), str) or len(field.get(key, "")) > MAX_TEXT:
            faults.append(f"{key} must be a short text")
    return faults


def _bounded(field: dict[str, Any]) -> dict[str, Any]:
    return {"maxLength": DEFAULT_TEXT, **field} if field.get("type") == "string" else field


def check_prechat(
    schema: Mapping[str, Any] | None, answers: Mapping[str, Any] | None, *, needed: bool
) -> dict[str, Any] | None:
    """The answers, cleaned. `needed`: none at all is not enough. RequestInvalid names the field."""
    if schema is None:
        if answers:
            raise _invalid("prechat", "this site asks for nothing before a conversation")
        return None
    if answers is None and not needed:
        return None
    given = {name: _cleaned(name, value) for name, value in (answers or {}).items()}
    for error in Draft202012Validator(schema).iter_errors(given):
        raise _invalid(*_fault(error, given))
    for name, value in given.items():
        form = _FORMATS.get(schema["properties"][name].get("format", ""))
        if form and isinstance(value, str) and value and not form[0].fullmatch(value):
            raise _invalid(f"prechat.{name}", form[1])
    return given


def _cleaned(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return clean(value).strip()
    except ValueError as error:
        raise _invalid(f"prechat.{name[:40]}", str(error)) from error


def _fault(error: Any, given: Mapping[str, Any]) -> tuple[str, str]:
    """The field and what is wrong with it; never what was given."""
    where = str(error.path[0]) if error.path else ""
    if error.validator == "required":
        where = next(name for name in error.validator_value if name not in given)
        return f"prechat.{where}", "is needed"
    if error.validator == "additionalProperties":
        return "prechat", "has a field that the site does not ask for"
    expected = f"{error.validator} {error.validator_value}"
    return f"prechat.{where}" if where else "prechat", f"does not fit the site's schema ({expected})"[:200]


def _invalid(field: str, why: str) -> RequestInvalid:
    return RequestInvalid(why, param=field, remedy="see site.prechat in the answer of POST /v1/visitors")
