"""A plan → the pack's files beside its data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from senmon.dataset.rasa.bot import Bot, Note
from senmon.dataset.rasa.pack_plan import ALWAYS, Plan
from senmon.dataset.rasa.speech import placeholders
from senmon.packs.manifest import ActionSpec
from senmon.packs.scaffold import NewPack

DEFAULT_SERVER = "http://127.0.0.1:5055/webhook"
_PLAIN = re.compile(r"[A-Za-z][\w .,'!?/()-]*")
_PAYLOAD = re.compile(r"\s*/\w")


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where actions run: `code` in the pack, or an action server at `url`."""

    url: str
    code: Mapping[str, str]


def write_pack_files(folder: Path, plan: Plan, new: NewPack, runtime: Runtime, report: str) -> None:
    """Writes manifest, prompt, responses, routing files, suite, code and notes into `folder`."""
    bot = plan.bot
    files = {
        "pack.yaml": _yaml(_manifest(plan, new, runtime)),
        "system.md": system_text(new, bool(plan.specs)),
        "README.md": _readme(plan, new, runtime),
        "IMPORT.md": report,
        **runtime.code,
    }
    if bot.responses:
        files["responses.yml"] = _yaml({"responses": responses(bot)})
    lists: dict[str, list[Mapping[str, Any]]] = {
        "requests.jsonl": [{"text": text, "intent": intent} for text, intent in plan.requests],
        "negatives.jsonl": [{"text": text} for text in plan.negatives],
        "eval/rasa_tests.jsonl": [_routed(item, new.name) for item in plan.suite],
    }
    for name, rows in lists.items():
        if rows:
            files[name] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _routed(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if item["kind"] == "route" and item["expect"]["pack"] is not None:
        return {**item, "expect": {"pack": name}}
    return item


def _manifest(plan: Plan, new: NewPack, runtime: Runtime) -> dict[str, Any]:
    bot = plan.bot
    manifest: dict[str, Any] = {"name": new.name, "version": "0.1.0", "title": new.title}
    manifest["description"] = new.description
    if re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", bot.language):
        manifest["language"] = [bot.language.replace("_", "-")]
    manifest["licence"] = new.licence
    if new.attribution:
        manifest["attribution"] = new.attribution
    if plan.specs:
        where = {"runtime": "in_process"} if runtime.code else {"runtime": "server", "url": runtime.url}
        specs = [_declaration(spec) for spec in plan.specs]
        manifest["actions"] = {**where, "specs": specs}
    manifest["checks"] = [{"name": "references"}, {"name": "safety"}]
    routing: dict[str, Any] = {}
    if plan.negatives:
        routing["negatives"] = "negatives.jsonl"
    if plan.requests:
        routing["examples"] = "requests.jsonl"
    known = {item.intent for item in plan.conversations} | {intent for _, intent in plan.requests}
    if always := sorted(known & ALWAYS):
        routing["always"] = always
    if routing:
        manifest["routing"] = routing
    if texts := _texts(plan):
        manifest["texts"] = texts
    return manifest


def _declaration(spec: ActionSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
        **({"candidates": dict(spec.candidates)} if spec.candidates else {}),
        "reply": spec.reply,
    }


def _texts(plan: Plan) -> dict[str, Any]:
    texts: dict[str, Any] = {}
    greeting = plan.bot.responses.get("utter_greet")
    for variation in greeting.variations if greeting else ():
        text = str(variation.get("text") or "").strip()
        if (
            text
            and not placeholders(text)
            and not variation.get("condition")
            and not variation.get("channel")
        ):
            texts.setdefault("greeting", text[:300])
    asked: dict[str, str] = {}
    for item in plan.conversations:
        calls = any("tool_calls" in message for message in item.messages[:2])
        if calls and item.intent not in ALWAYS and len(item.messages[0]["content"]) <= 60:
            asked.setdefault(item.intent, item.messages[0]["content"])
    if asked:
        texts["suggestions"] = list(asked.values())[:3]
    return texts


def responses(bot: Bot) -> dict[str, Any]:
    """Rasa's responses. A button's `/intent` payload becomes its title: messages are read here as words."""
    found: dict[str, Any] = {}
    for response in bot.responses.values():
        variations = [dict(one) for one in response.variations]
        for one in variations:
            buttons = one.get("buttons")
            if isinstance(buttons, list):
                one["buttons"] = [_worded(button) for button in buttons]
                if one["buttons"] != buttons:
                    what = f"`{response.name}`, payloads of buttons"
                    why = "`/intent{…}` became the button's title: a model reads it, no intent parser"
                    bot.note("response", response.place, what, why)
        found[response.name] = variations
    return found


def _worded(button: Any) -> Any:
    if not isinstance(button, Mapping) or not _PAYLOAD.match(str(button.get("payload") or "")):
        return button
    return {**button, "payload": button.get("title") or button["payload"]}


def system_text(new: NewPack, acts: bool) -> str:
    ask = " Ask for what is missing, one thing at a time, before you call a tool." if acts else ""
    return (
        f"You are the assistant of {new.title}. {new.description}\n"
        f"Answer briefly and kindly.{ask} When you don't know something, say so and offer a person.\n"
    )


def _readme(plan: Plan, new: NewPack, runtime: Runtime) -> str:
    parts = [
        f"# {new.title}\n\n{new.description}\n\nMade from a Rasa bot; IMPORT.md says what was taken and left."
    ]
    if plan.specs and runtime.code:
        parts.append(
            "The bot's actions came along as Python. Read them, then let them run:\n\n"
            f"    senmon packs allow {new.name}"
        )
    elif plan.specs:
        parts.append(
            f"The Python of the actions is not in this pack: {len(plan.specs)} actions are declared in "
            f"pack.yaml and run on a rasa-sdk action server at {runtime.url}. Start it in the bot's own "
            "folder, then let "
            "senmon call it:\n\n"
            "    python -m rasa_sdk --actions actions\n"
            f"    senmon packs allow {new.name}\n\n"
            "To run them in this process instead, copy the code to actions.py and set `runtime: in_process`."
        )
    credits = f"\n\n{new.attribution}" if new.attribution else ""
    parts.append(f"Licence of the content: {new.licence}{credits}")
    return "\n\n".join(parts) + "\n"


def import_record(counts: Mapping[str, int], notes: Iterable[Note], source: str) -> str:
    """`IMPORT.md`: what was taken and what was not, with its place."""
    rows = "\n".join(f"| {name} | {count:,} |" for name, count in counts.items())
    lines = [
        f"# Import of {source}",
        "",
        "| what | count |",
        "|---|---|",
        rows,
        "",
        "## Not carried over as it was",
    ]
    kind = ""
    for note in notes:
        if note.kind != kind:
            kind = note.kind
            lines += ["", f"### {kind}", ""]
        lines.append(f"- {' '.join(str(note).split())}")
    return "\n".join(lines) + "\n"


class _Dumper(yaml.SafeDumper):
    """Plain YAML as packs are read: no aliases, and nothing unquoted that could be read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
