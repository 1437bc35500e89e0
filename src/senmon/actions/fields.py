"""From an answer's JSON to the fields of a result: paths, lists cut short, other words for values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from senmon.packs.http_spec import HttpCall, HttpError, HttpList

MAX_TEXT = 1000
_NOTHING = object()
_PLACEHOLDER = re.compile(r"\{([a-z_][\w.]*)\}")


def found(body: Any, path: str) -> Any:
    """The value at a dotted path or JSON pointer (RFC 6901), or None."""
    value = body
    for step in _steps(path):
        value = _step(value, step)
        if value is _NOTHING:
            return None
    return value


def _steps(path: str) -> list[str]:
    if path == ".":
        return []
    if path.startswith("/"):
        return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    return path.split(".")


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step, _NOTHING)
    if isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 7:
        index = int(step)
        return value[index] if index < len(value) else _NOTHING
    return _NOTHING


def result_of(call: HttpCall, body: Any) -> dict[str, Any] | None:
    """The result of a success; None when no declared field is there: the service answers in another shape."""
    flat = {field: found(body, path) for field, path in call.result.items()}
    flat |= {field: _list(found(body, each.path), each) for field, each in call.lists.items()}
    wanted = bool(flat)
    flat = {field: value for field, value in flat.items() if value is not None}
    if wanted and not flat:
        return None
    return nested(_reworded(call, {**call.constants, **flat}))


def error_result(call: HttpCall, rule: HttpError, body: Any) -> dict[str, Any]:
    """The result of a refusal."""
    flat = {field: value for field, path in rule.fields.items() if (value := found(body, path)) is not None}
    error = rule.error or flat.get("error", "refused")
    return nested(_reworded(call, {"error": error} | flat | {"error": error}))


def _list(value: Any, each: HttpList) -> Any:
    """Entries as objects, or as one text; None for what is no list."""
    if not isinstance(value, list):
        return None
    entries = [_entry(entry, each) for entry in value[: each.limit]]
    if not each.item:
        return entries
    return ", ".join(filled(each.item, entry) for entry in entries if isinstance(entry, Mapping))


def _entry(entry: Any, each: HttpList) -> Any:
    if not each.fields:
        return entry
    values = {field: found(entry, path) for field, path in each.fields.items()}
    return _reworded(each, {field: value for field, value in values.items() if value is not None})


def _reworded(call: HttpCall | HttpList, flat: Mapping[str, Any]) -> dict[str, Any]:
    return {field: _shown(value, call.values.get(field, {})) for field, value in flat.items()}


def _shown(value: Any, words: Mapping[str, str]) -> Any:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(value, dict | list) and text in words:
        return words[text]
    return _short(value)


def _short(value: Any) -> Any:
    """Texts of a bearable length, at every depth."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, dict):
        return {str(key)[:MAX_TEXT]: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return value


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"order.eta": x}` → `{"order": {"eta": x}}`. The manifest's rules keep names from clashing."""
    result: dict[str, Any] = {}
    for field, value in flat.items():
        *above, last = field.split(".")
        inside = result
        for part in above:
            inside = inside.setdefault(part, {})
        inside[last] = value
    return result


def filled(template: str, values: Mapping[str, Any]) -> str:
    """`{order.eta}` by its value in `values`; what is missing is left out."""
    return _PLACEHOLDER.sub(lambda match: _text(found(values, match[1])), template)


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
