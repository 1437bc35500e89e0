"""The JSON Schema of the calls that a request allows: its tools, with arguments tied to candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senmon.packs.manifest import ActionSpec

#: Strings without a bound of their own get this one: a weak model must not write until its budget ends.
MAX_STRING = 256
_BOUNDS = ("maxLength", "enum", "const", "pattern", "format")


@dataclass(frozen=True, slots=True)
class AllowedCall:
    """One tool that may be called now. `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    def call_schema(self) -> dict[str, Any]:
        """Schema of `{"name": …, "arguments": {…}}`, keys in this order."""
        return {
            "type": "object",
            "properties": {"name": {"const": self.name}, "arguments": dict(self.parameters)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }


def allowed_calls(
    tools: Sequence[ActionSpec], candidates: Mapping[str, Sequence[str]]
) -> tuple[AllowedCall, ...]:
    """The tools that can be called. One whose required argument has no candidate is left out."""
    calls = ((tool, _with_candidates(tool.parameters, candidates)) for tool in tools)
    return tuple(AllowedCall(tool.name, tool.description, schema) for tool, schema in calls if schema)


def _with_candidates(
    parameters: Mapping[str, Any], candidates: Mapping[str, Sequence[str]]
) -> dict[str, Any] | None:
    required = tuple(parameters.get("required", ()))
    properties: dict[str, Any] = {}
    for name, schema in parameters.get("properties", {}).items():
        narrowed = _narrow(schema, candidates[name]) if name in candidates else _bounded(schema)
        if narrowed is not None:
            properties[name] = narrowed
        elif name in required:
            return None
    defaults = {"additionalProperties": False}
    return {**defaults, **parameters, "type": "object", "properties": properties, "required": list(required)}


def _narrow(schema: Any, values: Sequence[str]) -> Any:
    """`schema` restricted to `values` in the schema's own type, or None when none fits."""
    schema = schema if isinstance(schema, Mapping) else {}
    if schema.get("type") == "array":
        items = _narrow(schema.get("items", {}), values)
        return None if items is None else {**schema, "items": items}
    typed = [_typed(schema.get("type", "string"), value) for value in values]
    allowed = schema.get("enum")
    kept = [value for value in typed if value is not None and (allowed is None or value in allowed)]
    return {"enum": list(dict.fromkeys(kept))} if kept else None


def _typed(kind: Any, value: str) -> Any:
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        return None
    return value


def _bounded(schema: Any) -> Any:
    if not isinstance(schema, Mapping) or schema.get("type") != "string":
        return schema
    return schema if any(key in schema for key in _BOUNDS) else {**schema, "maxLength": MAX_STRING}
