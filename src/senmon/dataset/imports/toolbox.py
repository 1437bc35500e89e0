"""The tools that imported conversations use: those of the pack, or, for a new pack, those of the data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from senmon.dataset.call_rules import PackRules
from senmon.messages import ToolCall
from senmon.packs.action_rules import IDENTITY_ARGUMENT
from senmon.packs.manifest import ActionSpec
from senmon.packs.manifest_file import MANIFEST

#: A pack is one domain's work; data with more tools teaches the use of tools in general.
MAX_TOOLS = 64
SERVER = "http://127.0.0.1:5055/webhook"
_NAME = re.compile(r"[a-zA-Z][\w-]{0,63}")
_TYPES = {
    "dict": "object", "float": "number", "double": "number", "int": "integer", "long": "integer",
    "bool": "boolean", "str": "string", "text": "string", "list": "array", "tuple": "array",
}  # fmt: skip
_KNOWN = frozenset({"object", "number", "integer", "boolean", "string", "array", "null"})
_DEEPEST = 6


class ToolBox:
    """Rules that grow with the data: each tool's schema is widened so that every call seen so far fits.

    With the rules of an existing pack nothing is added. `rules` is live: it always holds the tools so far.
    """

    def __init__(self, rules: PackRules, *, growing: bool) -> None:
        self.growing = growing
        self.actions: dict[str, ActionSpec] = dict(rules.actions)
        self.validators: dict[str, Draft202012Validator] = dict(rules.validators)
        self.rules = PackRules(self.actions, self.validators, rules.passages, rules.licence)
        self._declared: dict[str, str] = {}

    def declare(self, tools: Any) -> None:
        """Takes tool definitions (OpenAI's `tools` or `functions`, as a list or JSON text)."""
        if isinstance(tools, str):
            try:
                tools = json.loads(tools) if tools.strip() else []
            except (ValueError, RecursionError):
                return
        for tool in tools if isinstance(tools, list) and self.growing else ():
            function = tool.get("function", tool) if isinstance(tool, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                self._declare(function)

    def _declare(self, function: Mapping[str, Any]) -> None:
        name, said = function["name"], json.dumps(function, sort_keys=True, default=str)
        if self._declared.get(name) == said or not self._room(name):
            return
        self._declared[name] = said
        parameters = _schema(function.get("parameters"))
        # The identity comes from the server's own knowledge of who speaks, never from the model.
        identity = "customer" if parameters["properties"].pop(IDENTITY_ARGUMENT, None) else "none"
        required = [key for key in parameters.get("required", ()) if key in parameters["properties"]]
        description = " ".join(str(function.get("description") or "").split())[:200]
        old = self.actions.get(name)
        if old is not None:
            parameters["properties"] = {**parameters["properties"], **old.parameters["properties"]}
            required = [key for key in required if key in old.parameters.get("required", ())]
        self._set(name, parameters["properties"], required, description or f"`{name}`", identity)

    def observe(self, call: ToolCall) -> None:
        """Widens the schema of a new pack's tool so that this call fits it."""
        if not self.growing or not self._room(call.name):
            return
        old = self.actions.get(call.name)
        if old is not None and self.validators[call.name].is_valid(dict(call.arguments)):
            return
        known = dict(old.parameters["properties"]) if old else {}
        for name, value in call.arguments.items():
            known[name] = _widened(known.get(name), value)
        required = old.parameters.get("required", ()) if old else call.arguments
        self._set(
            call.name,
            known,
            [name for name in required if name in call.arguments],
            old.description if old else f"`{call.name}`, as seen in imported conversations",
            old.identity if old else "none",
        )

    def verbatim(self, name: str) -> None:
        """The action's own text is the reply: its result is followed by the user's next message."""
        if self.growing and name in self.actions:
            self.actions[name] = self.actions[name].model_copy(update={"reply": "verbatim"})

    def _room(self, name: str) -> bool:
        return name in self.actions or (len(self.actions) < MAX_TOOLS and bool(_NAME.fullmatch(name)))

    def _set(
        self, name: str, properties: Mapping[str, Any], required: list[str], description: str, identity: str
    ) -> None:
        schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
        if required:
            schema["required"] = required
        reply = self.actions[name].reply if name in self.actions else "rephrase"
        data = {"name": name, "description": description, "parameters": schema, "identity": identity}
        self.actions[name] = ActionSpec.model_validate({**data, "reply": reply})
        self.validators[name] = Draft202012Validator(schema)

    def furnish(self, folder: Path) -> None:
        """Declares the tools of a new pack, to run on an action server."""
        if not self.growing or not self.actions:
            return
        specs = [spec.model_dump(exclude_defaults=True) for spec in self.actions.values()]
        lines = ["actions:", "  runtime: server", f"  url: {SERVER}", "  specs:"]
        lines += [f"    - {json.dumps(spec, ensure_ascii=False)}" for spec in specs]
        with (folder / MANIFEST).open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def fault_of(name: str, box: ToolBox) -> tuple[str, str] | None:
    """Why a new pack can't have a tool of this name; None when it can, or when the pack decides."""
    if not box.growing or name in box.actions:
        return None
    if not _NAME.fullmatch(name):
        return f"`{name[:80]}` can't be an action's name", "use letters, digits, - and _, a letter first"
    if len(box.actions) >= MAX_TOOLS:
        why = f"is the call of another tool, after {MAX_TOOLS} different ones"
        return why, "a pack is one domain: choose the conversations of its tools"
    return None


def _schema(raw: Any) -> dict[str, Any]:
    """The parts of a foreign JSON Schema that describe shape; references and patterns are left out."""
    schema = _part(raw, 0) if isinstance(raw, dict) else {}
    properties = schema.get("properties", {})
    required = [name for name in schema.get("required", ()) if name in properties]
    return {"type": "object", "properties": properties, "required": required}


def _part(raw: Mapping[str, Any], depth: int) -> dict[str, Any]:
    part: dict[str, Any] = {}
    types = raw["type"] if isinstance(raw.get("type"), list) else [raw.get("type")]
    named = (_TYPES.get(str(kind).lower(), str(kind)) for kind in types)
    kinds = [kind for kind in dict.fromkeys(named) if kind in _KNOWN]
    if kinds:
        part["type"] = kinds[0] if len(kinds) == 1 else kinds
    if isinstance(raw.get("description"), str):
        part["description"] = raw["description"][:500]
    if isinstance(raw.get("enum"), list) and 0 < len(raw["enum"]) <= 200:
        part["enum"] = raw["enum"]
    if depth < _DEEPEST:
        if isinstance(raw.get("properties"), dict):
            inner = raw["properties"].items()
            part["properties"] = {
                str(key): _part(value, depth + 1) for key, value in inner if isinstance(value, dict)
            }
        if isinstance(raw.get("items"), dict):
            part["items"] = _part(raw["items"], depth + 1)
    if isinstance(raw.get("required"), list):
        part["required"] = list(dict.fromkeys(name for name in raw["required"] if isinstance(name, str)))
    return part


def _widened(known: Mapping[str, Any] | None, value: Any) -> dict[str, Any]:
    """A schema for what was known and `value`."""
    if known is None:
        return {"type": _type(value)}
    if Draft202012Validator(known).is_valid(value):
        return dict(known)
    types = known.get("type", [])
    types = list(types) if isinstance(types, list) else [types]
    wider = {"type": list(dict.fromkeys([*types, _type(value)]))} if types else {}
    kept = {"description": known["description"]} if "description" in known else {}
    return {**wider, **kept}


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return "number" if isinstance(value, float) else "integer"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
