"""What a pack's action declarations must obey, beyond their types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from senmon.errors import Problem
from senmon.packs.http_rules import http_problems
from senmon.packs.inventory import Inventory
from senmon.packs.manifest import ActionSpec, PackManifest
from senmon.packs.yaml_text import Place, YamlText, dotted

#: Who the customer is comes from the server's verified identity, never from the model.
IDENTITY_ARGUMENT = "customer_id"
_SPECS: Place = ("actions", "specs")
_META = Draft202012Validator(Draft202012Validator.META_SCHEMA)


def action_problems(
    manifest: PackManifest, files: Inventory, source: YamlText, path: str
) -> Iterator[Problem]:
    """Every problem of the `actions` part of a manifest."""

    def problem(place: Place, why: str, remedy: str) -> Problem:
        return Problem(path, source.line(place), dotted(place), why, remedy)

    actions = manifest.actions
    if actions.runtime == "server" and not re.match(r"^https?://[^/\s]+", actions.url):
        why = "an action server needs its address" if not actions.url else "is not an http address"
        yield problem(("actions", "url"), why, "add url: http://127.0.0.1:5055/webhook")
    code = {"actions.py", "actions/__init__.py"} & set(files.files)
    coded = any(spec.http is None and not spec.handover for spec in actions.specs)
    if actions.runtime == "in_process" and coded and not code:
        why = "actions run in process but there is no actions.py"
        yield problem(("actions", "specs"), why, "add actions.py, or set runtime: server with a url")
    for place, why, remedy in http_problems(manifest):
        yield problem(place, why, remedy)
    known = {"answer", *(spec.name for spec in actions.specs)}
    for name in manifest.context.alone:
        if name not in known or not manifest.context.likely:
            why = f"`{name}` is no move of this pack" if name not in known else "it needs likely: true"
            yield problem(("context", "alone"), why, f"moves: {', '.join(sorted(known))}")
    seen: set[str] = set()
    if actions.reader and (actions.reader in known or actions.runtime == "http"):
        why = "the reader is no action that the model may call, and needs code or an action server"
        yield problem(("actions", "reader"), why, "name a rasa-sdk action of its own here")
    for index, spec in enumerate(actions.specs):
        if spec.name in seen:
            yield problem(
                (*_SPECS, index, "name"), f"action `{spec.name}` is declared twice", "rename one of them"
            )
        seen.add(spec.name)
        for place, why, remedy in _spec_faults(spec):
            yield problem((*_SPECS, index, *place), why, remedy)


Fault = tuple[Place, str, str]


def _spec_faults(spec: ActionSpec) -> Iterator[Fault]:
    broken = list(_schema_faults(spec.parameters))
    yield from broken
    if not broken:
        yield from _argument_faults(spec)


def _schema_faults(schema: dict[str, Any]) -> Iterator[Fault]:
    for error in _META.iter_errors(schema):
        place = ("parameters", *error.absolute_path)
        yield place, f"is not valid JSON Schema: {error.message[:200]}", "see JSON Schema draft 2020-12"
    if schema.get("type") != "object":
        yield ("parameters",), "arguments must be an object schema", "add type: object and properties"
    yield from _keyword_faults(schema, ("parameters",))


def _keyword_faults(schema: Any, place: Place) -> Iterator[Fault]:
    items = (
        schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    )
    for key, value in items:
        if key in ("$ref", "$dynamicRef") and isinstance(value, str):
            yield (*place, key), "references are not resolved", "write the schema out in place"
        if key == "pattern" and isinstance(value, str) and (why := _regex_fault(value)):
            yield (*place, key), why, "correct the expression"
        yield from _keyword_faults(value, (*place, key))


def _argument_faults(spec: ActionSpec) -> Iterator[Fault]:
    properties = spec.parameters.get("properties", {})
    known = ", ".join(sorted(properties)) or "none"
    if IDENTITY_ARGUMENT in properties:
        why = "identity is set by the server, not by the model"
        yield ("parameters", "properties", IDENTITY_ARGUMENT), why, "remove it and set identity: customer"
    for name in spec.parameters.get("required", ()):
        if name not in properties:
            yield ("parameters", "required"), f"requires `{name}`, which has no schema", f"known: {known}"
    for name, pattern in spec.candidates.items():
        if name not in properties:
            yield ("candidates", name), f"names an unknown argument `{name}`", f"known: {known}"
        if fault := _candidate_fault(pattern):
            yield ("candidates", name), fault, "correct the expression"
    for name in spec.latest:
        if name not in spec.candidates:
            known = ", ".join(sorted(spec.candidates)) or "none"
            yield ("latest",), f"`{name}` has no candidates", f"arguments with candidates: {known}"


def _candidate_fault(pattern: str) -> str | None:
    if why := _regex_fault(pattern):
        return why
    return "matches the empty text" if re.fullmatch(pattern, "") else None


def _regex_fault(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"
    return None
