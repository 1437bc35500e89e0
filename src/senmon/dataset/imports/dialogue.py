"""Conversations in OpenAI's message shape, as the world writes them → messages of a data line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senmon.dataset.imports.toolbox import ToolBox, fault_of
from senmon.messages import CONTEXT, ToolCall
from senmon.packs.action_rules import IDENTITY_ARGUMENT
from senmon.packs.jsonl import parse_object

#: Field, what is wrong, what to do.
Fault = tuple[str, str, str]
_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.S)
_MOST = 2000
#: About what fits the prompt prefix of a pack (400 tokens), in characters.
_SYSTEM = 1200


class Unfit(Exception):
    """A conversation that can't be taken."""

    def __init__(self, field: str, why: str, remedy: str) -> None:
        super().__init__(why)
        self.fault: Fault = (field, why, remedy)


class Dialogue:
    """Reads conversations one at a time; `systems` keeps the different system texts, two at most."""

    def __init__(self, box: ToolBox) -> None:
        self.box = box
        self.systems: list[str] = []

    def read(self, raw: Any, tools: Any = None) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """The messages, and what was changed. Raises Unfit."""
        if not isinstance(raw, list) or not raw:
            remedy = 'write [{"role": "user", "content": "…"}, …]'
            raise Unfit("messages", "is not a list of messages", remedy)
        if len(raw) > _MOST:
            raise Unfit("messages", f"has more than {_MOST:,} messages", "divide the conversation")
        self.box.declare(tools)
        talk = _Talk(self)
        for index, item in enumerate(raw):
            talk.read(f"messages.{index}", item)
        return talk.closed(), tuple(talk.notes)

    def furnish(self, folder: Path) -> None:
        """Gives a new pack the tools of its data, and the system text when all conversations share one."""
        self.box.furnish(folder)
        text = self.systems[0].strip() if len(self.systems) == 1 else ""
        if self.box.growing and 0 < len(text) <= _SYSTEM:
            (folder / "system.md").write_text(text + "\n", encoding="utf-8")

    def remember(self, system: str) -> None:
        """Keeps a leading system text."""
        if system not in self.systems and len(self.systems) < 2:
            self.systems.append(system)


class _Talk:
    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue, self.box = dialogue, dialogue.box
        self.messages: list[dict[str, Any]] = []
        self.notes: dict[str, None] = {}
        self.ids: set[str] = set()
        self.open: dict[str, str] = {}
        self.place = ""

    def read(self, place: str, item: Any) -> None:
        self.place = place
        role = item.get("role") if isinstance(item, dict) else None
        if role in ("system", "developer"):
            self._system(item)
        elif role == "user":
            self._user(self._text(item))
        elif role == "assistant":
            self._assistant(item)
        elif role in ("tool", "function"):
            self._result(item)
        else:
            remedy = "use system, developer, user, assistant or tool"
            if isinstance(item, dict) and "from" in item:
                remedy = "this looks like ShareGPT: senmon import sharegpt"
            raise Unfit(f"{place}.role", "is not a role", remedy)

    def closed(self) -> list[dict[str, Any]]:
        """The messages up to the last one of the assistant."""
        end = len(self.messages)
        while end and self.messages[end - 1]["role"] != "assistant":
            end -= 1
        if end < len(self.messages):
            self.note("unanswered end left out")
        if not end:
            raise Unfit("messages", "has no reply to a user", "add an assistant message, or leave it out")
        return self.messages[:end]

    def note(self, text: str) -> None:
        self.notes[text] = None

    def _system(self, item: Mapping[str, Any]) -> None:
        text = self._text(item)
        if item.get("name") == CONTEXT:
            self.messages.append({"role": "tool", "name": CONTEXT, "content": text})
        elif self.messages:
            self.note("system message in the midst left out")
        else:
            self.dialogue.remember(text)
            self.note("system text left out")

    def _user(self, text: str) -> None:
        last = self.messages[-1] if self.messages else {}
        if last.get("role") == "user":
            last["content"] = f"{last['content']}\n\n{text}"
            self.note("user messages in a row joined")
            return
        if last.get("role") == "tool" and last.get("name") != CONTEXT:
            self.box.verbatim(str(last.get("name")))
        self.messages.append({"role": "user", "content": text})

    def _assistant(self, item: Mapping[str, Any]) -> None:
        text, calls = self._text(item), self._calls(item)
        if item.get("weight") == 0:
            self.note("replies of weight 0 are learnt too")
        if item.get("reasoning_content") or item.get("reasoning"):
            self.note("thoughts left out")
        if _THOUGHT.match(text):
            text = _THOUGHT.sub("", text)
            self.note("thoughts left out")
        if not self.messages:
            self.note("opening of the assistant left out")
            return
        last = self.messages[-1]
        if last["role"] == "assistant" and not last.get("tool_calls"):
            last["content"] = "\n\n".join(part for part in (last["content"], text) if part)
            if not calls:
                self.note("replies in a row joined")
        else:
            self.messages.append({"role": "assistant", "content": text})
        if calls:
            self.messages[-1]["tool_calls"] = [call.to_json() for call in calls]
            self.open = {call.id: call.name for call in calls}

    def _calls(self, item: Mapping[str, Any]) -> list[ToolCall]:
        raw = item.get("tool_calls") or []
        if isinstance(raw, str):
            raw = _json(raw, f"{self.place}.tool_calls")
        if item.get("function_call"):
            raw = [{"function": item["function_call"]}]
            self.note("function_call became a tool call")
        if not isinstance(raw, list):
            raise Unfit(f"{self.place}.tool_calls", "is not a list", "write a list of calls")
        return [self._call(f"{self.place}.tool_calls.{index}", value) for index, value in enumerate(raw)]

    def _call(self, field: str, raw: Any) -> ToolCall:
        function = raw.get("function", raw) if isinstance(raw, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            remedy = 'write {"function": {"name": …, "arguments": …}}'
            raise Unfit(field, "is not the call of a function", remedy)
        arguments = function.get("arguments", function.get("parameters"))
        if arguments is None or arguments == "":
            arguments = {}
        if isinstance(arguments, str):
            arguments = _json(arguments, f"{field}.function.arguments")
        if not isinstance(arguments, dict):
            raise Unfit(f"{field}.function.arguments", "is not a JSON object", 'write {"name": value}')
        if IDENTITY_ARGUMENT in arguments:
            arguments = {key: value for key, value in arguments.items() if key != IDENTITY_ARGUMENT}
            self.note(f"argument {IDENTITY_ARGUMENT} left out: the server sets it")
        if fault := fault_of(function["name"], self.box):
            raise Unfit(f"{field}.function.name", *fault)
        call = ToolCall(self._id(raw.get("id")), function["name"], arguments)
        self.box.observe(call)
        return call

    def _id(self, given: Any) -> str:
        name = given if isinstance(given, str) and 0 < len(given) <= 80 else ""
        if name in self.ids:
            self.note("call ids given twice replaced")
        number = len(self.ids) + 1
        while not name or name in self.ids:
            name, number = f"call_{number}", number + 1
        self.ids.add(name)
        return name

    def _result(self, item: Mapping[str, Any]) -> None:
        if item.get("name") == CONTEXT and not self.open:
            self.messages.append({"role": "tool", "name": CONTEXT, "content": self._text(item)})
            return
        given = item.get("tool_call_id")
        named = next((id for id, name in self.open.items() if name == item.get("name")), None)
        id = given if isinstance(given, str) and given in self.open else named or next(iter(self.open), None)
        if id is None:
            raise Unfit(self.place, "is a result without a call before it", "add the call, or leave it out")
        if given and id != given and len(self.open) > 1 and not named:
            raise Unfit(f"{self.place}.tool_call_id", "answers no call", f"open: {', '.join(self.open)}")
        content, name = self._object(item), self.open.pop(id)
        self.messages.append({"role": "tool", "name": name, "tool_call_id": id, "content": content})

    def _object(self, item: Mapping[str, Any]) -> str:
        """The result as the text of a JSON object."""
        raw = item.get("content")
        value = raw if isinstance(raw, dict) else None
        text = "" if value is not None else self._text(item)
        if value is None:
            try:
                parse_object(text)
                return text
            except ValueError:
                value = self._wrapped(text)
        return json.dumps(value, ensure_ascii=False)

    def _wrapped(self, text: str) -> dict[str, Any]:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        self.note("results that were no object put into one")
        return {"items": value} if isinstance(value, list) else {"text": text}

    def _text(self, item: Mapping[str, Any]) -> str:
        raw = item.get("content")
        if raw is None:
            refusal = item.get("refusal")
            return refusal if isinstance(refusal, str) else ""
        if isinstance(raw, list):
            return "\n".join(self._part(index, part) for index, part in enumerate(raw))
        if not isinstance(raw, str):
            raise Unfit(f"{self.place}.content", "is not text", "write the message as one text")
        return raw

    def _part(self, index: int, part: Any) -> str:
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        text = part.get("text", part.get("refusal")) if isinstance(part, dict) else part
        if kind not in ("text", "input_text", "output_text", "refusal") or not isinstance(text, str):
            why = f"holds {str(kind)[:40]}, and a pack learns text"
            remedy = "leave the conversation out, or describe it in words"
            raise Unfit(f"{self.place}.content.{index}", why, remedy)
        self.note("content parts joined")
        return text


def _json(text: str, field: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit(field, "is not JSON", "correct it, or leave the conversation out") from error
