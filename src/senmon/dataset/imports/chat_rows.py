"""Rows that hold a conversation: OpenAI's `messages`, ShareGPT's `conversations`, Alpaca's instruction.

Each reader turns one row into messages in OpenAI's shape; `Dialogue` does the rest alike for all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senmon.dataset.imports.dialogue import Dialogue, Unfit
from senmon.dataset.imports.imported import Imported
from senmon.dataset.imports.json_items import json_items
from senmon.dataset.imports.labels import Labels
from senmon.errors import Problem
from senmon.messages import CONTEXT
from senmon.packs.jsonl import JsonLine

Row = Mapping[str, Any]
Talk = tuple[Any, Any]
"""Messages in OpenAI's shape, and tool definitions."""
Reader = Callable[[Row], Talk]

_ROLES = {
    "human": "user", "user": "user", "prompter": "user", "customer": "user",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "model": "assistant",
    "bot": "assistant", "bing": "assistant", "bard": "assistant", "agent": "assistant",
    "system": "system", "developer": "system", "function_call": "call", "tool_call": "call",
    "observation": "tool", "tool": "tool", "function_response": "tool", "function": "tool",
    "ipython": "tool",
}  # fmt: skip
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.S)
_RESPONSE = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>", re.S)
_NOTHING = frozenset({"", "nan", "none", "<noinput>", "n/a"})


@dataclass(frozen=True, slots=True)
class ChatFile:
    """A JSON array or JSON Lines file whose rows `reader` understands."""

    path: Path
    reader: Reader
    dialogue: Dialogue
    labels: Labels

    def stream(self) -> Iterator[Imported | Problem]:
        return conversations(json_items(self.path), str(self.path), self.reader, self.dialogue, self.labels)


def conversations(
    rows: Iterable[JsonLine], path: str, reader: Reader, dialogue: Dialogue, labels: Labels
) -> Iterator[Imported | Problem]:
    """What each row holds; rows that can't be taken become Problems."""
    for row in rows:
        if row.record is None:
            yield row.problem or Problem(path, row.number, "", "can't be read", "correct the row")
            continue
        try:
            messages, tools = reader(row.record)
            taken, notes = dialogue.read(messages, tools)
        except Unfit as unfit:
            yield Problem(path, row.number, *unfit.fault)
            continue
        yield Imported(path, row.number, taken, notes=notes, **labels.of(row.record))


def openai_row(row: Row, field: str = "messages") -> Talk:
    """`messages` with `tools`, or the older `functions`."""
    if field not in row:
        other = "sharegpt" if "conversations" in row else "alpaca" if "instruction" in row else ""
        remedy = f"this looks like {other}: senmon import {other}" if other else f"known here: {_names(row)}"
        raise Unfit(field, "is missing", remedy)
    return row[field], row.get("tools") or row.get("functions")


def sharegpt_row(row: Row, field: str = "conversations") -> Talk:
    """`conversations` of `from` and `value`, also with calls and observations, as LLaMA-Factory and Hermes
    write them."""
    turns = row.get(field, row.get("conversation"))
    if turns is None:
        other = "openai" if "messages" in row else "alpaca" if "instruction" in row else ""
        remedy = f"this looks like {other}: senmon import {other}" if other else f"known here: {_names(row)}"
        raise Unfit(field, "is missing", remedy)
    if not isinstance(turns, list):
        raise Unfit(field, "is not a list of turns", 'write [{"from": "human", "value": "…"}, …]')
    messages = [_turn(f"{field}.{index}", turn) for index, turn in enumerate(turns)]
    if isinstance(row.get("system"), str) and row["system"].strip():
        messages.insert(0, {"role": "system", "content": row["system"]})
    return messages, row.get("tools")


def _turn(place: str, turn: Any) -> dict[str, Any]:
    sender = turn.get("from", turn.get("role")) if isinstance(turn, dict) else None
    role = _ROLES.get(str(sender).lower())
    if role is None:
        raise Unfit(f"{place}.from", "is not a known sender", f"known: {', '.join(sorted(_ROLES))}")
    value = turn.get("value", turn.get("content"))
    if not isinstance(value, str):
        raise Unfit(f"{place}.value", "is not text", "write the turn as one text")
    if role == "call":
        return {"role": "assistant", "tool_calls": _calls(value, f"{place}.value")}
    if role == "assistant" and "<tool_call>" in value:
        calls = [call for text in _CALL.findall(value) for call in _calls(text, f"{place}.value")]
        return {"role": "assistant", "content": _CALL.sub("", value).strip(), "tool_calls": calls}
    if role == "tool":
        inner = _RESPONSE.findall(value)
        value = inner[0] if len(inner) == 1 else value
    named = {key: turn[key] for key in ("name", "tool_call_id") if isinstance(turn.get(key), str)}
    if role == "system":
        named = {"name": CONTEXT} if turn.get("name") == CONTEXT else {}
    return {"role": role, "content": value, **named}


def _calls(text: str, field: str) -> list[Any]:
    """The calls in the text of a turn: one object or a list of them."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit(field, "is not the JSON of a call", 'write {"name": …, "arguments": {…}}') from error
    return value if isinstance(value, list) else [value]


def alpaca_row(row: Row) -> Talk:
    """`instruction`, `input`, `output`; `system` and `history` (pairs) where there are any."""
    instruction, output = _text(row, "instruction", "prompt"), _text(row, "output", "response")
    extra = row.get("input", row.get("context"))
    if isinstance(extra, str) and extra.strip().lower() not in _NOTHING:
        instruction = f"{instruction.strip()}\n\n{extra.strip()}" if instruction.strip() else extra
    messages = [*_history(row), {"role": "user", "content": instruction.strip()}]
    if isinstance(row.get("system"), str) and row["system"].strip():
        messages.insert(0, {"role": "system", "content": row["system"]})
    return [*messages, {"role": "assistant", "content": output.strip()}], None


def _text(row: Row, *names: str) -> str:
    name = next((name for name in names if name in row), names[0])
    value = row.get(name)
    if not isinstance(value, str):
        other = "sharegpt" if "conversations" in row else "openai" if "messages" in row else ""
        remedy = f"this looks like {other}: senmon import {other}" if other else f"known here: {_names(row)}"
        raise Unfit(name, "is not text" if name in row else "is missing", remedy)
    return value


def _history(row: Row) -> Iterator[dict[str, str]]:
    pairs = row.get("history") or []
    for index, pair in enumerate(pairs if isinstance(pairs, list) else [pairs]):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise Unfit(f"history.{index}", "is not a request and its reply", 'write ["…", "…"]')
        yield {"role": "user", "content": pair[0]}
        yield {"role": "assistant", "content": pair[1]}


def _names(row: Row) -> str:
    return ", ".join(str(name)[:40] for name in list(row)[:12])
