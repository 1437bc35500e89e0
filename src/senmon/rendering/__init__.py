"""Conversation → token ids and loss mask. The one renderer of training and of serving.

A turn is `head + content + tail`, where head and tail are fixed token ids of its role (`Scaffold`). So the
ids of `messages[:k]` are a prefix of the ids of `messages` and the mask is exact, both by construction.
A base's own chat template is reduced to such a scaffold, or refused. Content is encoded by a private
copy of the tokenizer that knows no special tokens: `<|im_end|>` typed by a visitor stays text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from senmon.errors import NothingToLearn, Problem, TemplateUnfit
from senmon.messages import CONTEXT, Message, Passage, ToolCall
from senmon.rendering.plain_encoder import PlainEncoder
from senmon.rendering.scaffold import PROBE, Scaffold, derive_scaffold

if TYPE_CHECKING:
    from senmon.packs.manifest import ActionSpec
    from senmon.packs.pack import Pack

IGNORED = -100
PREFIX_BUDGET = 400
VERIFIED = "verified"
NOT_SIGNED_IN = "not signed in"
CALL_START = "<tool_call>"
CALL_END = "</tool_call>"
MAX_CALL_CHARACTERS = 16_384
_REFERENCE = re.compile(r"\[\[([A-Za-z_]\w*(?:\.[\w-]+)*)\]\]")
_KEY = re.compile(r"[\w-]+")


def _signature(spec: ActionSpec) -> str:
    required = set(spec.parameters.get("required", ()))
    names = [name if name in required else f"{name}?" for name in spec.parameters.get("properties", {})]
    return f"- {spec.name}({', '.join(names)}): {spec.description}"


def prefix_message(pack: Pack) -> Message:
    """The static prefix of every conversation of a pack version: `system.md`, then action signatures."""
    parts = [pack.system.strip()]
    if pack.actions:
        parts.append("\n".join(["Tools:", *map(_signature, pack.actions.values())]))
    return Message("system", "\n\n".join(part for part in parts if part))


def prefix_digest(pack: Pack) -> str:
    """sha256 hex of the static prefix. The leading tag changes when senmon's way of rendering does."""
    return hashlib.sha256(b"senmon-prefix-1\n" + prefix_message(pack).content.encode()).hexdigest()


def check_prefix(renderer: Renderer, pack: Pack) -> tuple[Problem, ...]:
    """A problem when the static prefix is over its budget of 400 tokens."""
    count = len(renderer.turn(prefix_message(pack)).ids)
    if count <= PREFIX_BUDGET:
        return ()
    why = f"the prompt prefix (text and action signatures) has {count} tokens, the budget is {PREFIX_BUDGET}"
    remedy = "shorten it; move knowledge to articles and manners to examples"
    return (Problem(str(pack.path / pack.manifest.system), 0, "system", why, remedy),)


def filled_answer(passage: Passage) -> str:
    """The passage's own short reply, its facts filled in; empty when it has none."""
    facts = {f"article.{name}": value for name, value in passage.facts.items()}
    return fill_references(passage.answer, facts)[0]


def passage_text(passage: Passage, place: int) -> str:
    """`[[answer.1]] Title: its answer` for the passage at place 1, or `# Title` and its text."""
    if passage.answer:
        return f"[[answer.{place}]] {passage.title}: {filled_answer(passage)}"
    return f"# {passage.title}\n{passage.text.strip()}"


def _passage_lines(passage: Passage, place: int, seen: set[str]) -> list[str]:
    # A name resolves to the first passage that has it, so only that passage may offer it.
    names = [] if passage.answer else [name for name in passage.facts if name not in seen]
    seen.update(names)
    offered = "facts: " + " ".join(f"[[article.{name}]]" for name in names)
    return [passage_text(passage, place), *([offered] if names else [])]


def context_message(
    passages: Iterable[Passage],
    *,
    customer: str | None = None,
    today: str | None = None,
    likely: Sequence[str] = (),
) -> Message | None:
    """What a turn adds to the prompt: passages, then `customer: …`, `today: …`, and the moves that are
    `likely`. None when empty.

    `customer` is a status, `verified` or `not signed in`, never an id (ValueError): the prompt must not
    hold what only the server may know. `today` is an ISO date.
    """
    if customer not in (None, VERIFIED, NOT_SIGNED_IN):
        raise ValueError(f"customer must be {VERIFIED!r} or {NOT_SIGNED_IN!r}")
    seen: set[str] = set()
    lines = [line for at, passage in enumerate(passages, 1) for line in _passage_lines(passage, at, seen)]
    if customer:
        lines.append(f"customer: {customer}")
    if today:
        lines.append(f"today: {today}")
    if likely:
        lines.append(_likely_line(likely))
    return Message("tool", "\n".join(lines), name=CONTEXT) if lines else None


def with_likely(context: Message | None, moves: Sequence[str]) -> Message:
    """A turn's context message (None: it has none) with the moves that are likely as its last line."""
    before = f"{context.content}\n" if context is not None and context.content else ""
    return Message("tool", before + _likely_line(moves), name=CONTEXT)


def _likely_line(moves: Sequence[str]) -> str:
    return f"likely: {' or '.join(moves)}"


def call_text(call: ToolCall) -> str:
    """`<tool_call>{"name": …, "arguments": {…}}</tool_call>`."""
    return f"{CALL_START}{_call_json(call)}{CALL_END}"


def _call_json(call: ToolCall) -> str:
    return json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_call(text: str, *, id: str = "") -> ToolCall:
    """The call in `text`, with or without its markers. Raises ValueError saying what is wrong.

    Without `id` the call's id is derived from its text.
    """
    body = text.strip().removeprefix(CALL_START).removesuffix(CALL_END).strip()
    if len(body) > MAX_CALL_CHARACTERS:
        raise ValueError(f"a call may have {MAX_CALL_CHARACTERS} characters at most")
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("a call nested too deeply") from None
    if not isinstance(data, dict) or set(data) != {"name", "arguments"}:
        raise ValueError('a call must be {"name": …, "arguments": {…}}')
    name, arguments = data["name"], data["arguments"]
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise ValueError("a call's name must be a string and its arguments an object")
    return ToolCall(id or "call_" + hashlib.sha256(body.encode()).hexdigest()[:12], name, arguments)


def result_message(call: ToolCall, result: Mapping[str, Any]) -> Message:
    """An action's result at its turn: one line of JSON."""
    content = json.dumps(dict(result), ensure_ascii=False, default=str)
    return Message("tool", content, tool_call_id=call.id, name=call.name)


def references(text: str) -> tuple[str, ...]:
    """The names in `[[name]]`, in order, each once."""
    return tuple(dict.fromkeys(_REFERENCE.findall(text)))


def fill_references(text: str, facts: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """`text` with every known `[[name]]` replaced, and the names that `facts` lacks (left as they are)."""
    missing = tuple(name for name in references(text) if name not in facts)
    return _REFERENCE.sub(lambda match: facts.get(match[1], match[0]), text), missing


def flatten_facts(
    result: Mapping[str, Any], passages: Iterable[Passage] = (), *, depth: int = 6, limit: int = 500
) -> dict[str, str]:
    """Named values: `{"order": {"eta": …}}` → `order.eta`; a passage's fact → `article.<fact>`, its answer →
    `answer.<place>`, counted from 1.

    Lists are numbered from 0. Null and keys that a reference can't spell are left out, so are values
    deeper than `depth` and beyond `limit`. A result wins over a passage, a passage over later ones.
    """
    facts: dict[str, str] = {}
    _flatten(result, "", depth, limit, facts)
    for place, passage in enumerate(passages, 1):
        for name, value in passage.facts.items():
            facts.setdefault(f"article.{name}", str(value))
        if passage.answer:
            facts.setdefault(f"answer.{place}", filled_answer(passage))
    return facts


def _flatten(value: Any, path: str, depth: int, limit: int, facts: dict[str, str]) -> None:
    if value is None or len(facts) >= limit:
        return
    if isinstance(value, Mapping | list | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items if depth else ():
            if _KEY.fullmatch(str(key)):
                _flatten(item, f"{path}.{key}" if path else str(key), depth - 1, limit, facts)
    elif path:
        facts[path] = ("yes" if value else "no") if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One example. `labels[i]` is `ids[i]` where supervised, else −100 (unshifted, as transformers takes
    it). `prefix` counts the tokens of the leading system message, which examples of a pack share."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    prefix: int

    @property
    def supervised(self) -> int:
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as tokens: `ids[learn.start:learn.stop]` is supervised."""

    ids: tuple[int, ...]
    learn: slice


class Renderer:
    """Messages → tokens for one tokenizer. Thread-safe.

    `template` None takes the tokenizer's own chat template when it passes the self-test, else senmon's;
    a given Jinja template must pass (TemplateUnfit).
    """

    def __init__(self, tokenizer: Any, *, template: str | None = None) -> None:
        self._tokenizer = tokenizer
        self._plain = PlainEncoder(tokenizer)
        self._encode = lru_cache(maxsize=2048)(self._plain)
        self.tool_start = self._single(CALL_START)
        self.tool_end = self._single(CALL_END)
        self._adopt(self._choose(template))
        self.pad_id: int = self._pad()
        self.self_test()

    def _choose(self, template: str | None) -> Scaffold:
        if template is not None:
            return derive_scaffold(self._tokenizer, template)
        try:
            own = self._tokenizer.get_chat_template()
            scaffold = derive_scaffold(self._tokenizer, own)
            self._end_of_turn(scaffold)
            return scaffold
        except (TemplateUnfit, ValueError):  # ValueError: it has none, or several
            return self._own_scaffold()

    def _own_scaffold(self) -> Scaffold:
        start = self._leading_text()
        if self._single("<|im_start|>") is not None and self._single("<|im_end|>") is not None:
            return Scaffold.chatml(start=start)
        if self._tokenizer.eos_token is None:
            raise TemplateUnfit(
                "this tokenizer has neither <|im_end|> nor an end-of-text token, so replies could not end",
                remedy="choose another base",
            )
        return Scaffold.chatml(start=start, end=self._tokenizer.eos_token)

    def _adopt(self, scaffold: Scaffold) -> None:
        self.scaffold = scaffold
        encode = self._with_specials
        self._start = encode(scaffold.start)
        self._heads = {role: encode(text) for role, text in scaffold.heads.items()}
        self._tails = {role: encode(text) for role, text in scaffold.tails.items()}
        self._stop = self._end_of_turn(scaffold)
        eos = self._tokenizer.eos_token_id
        self.stop_ids = frozenset({self._tails["assistant"][self._stop - 1], *([] if eos is None else [eos])})
        kept = {self.tool_start, self.tool_end, *self.stop_ids}
        #: Control tokens that a reply must never contain.
        self.forbidden_ids = frozenset(id for id in self._plain.added if id not in kept and self._control(id))
        self._forgeable = "<|im_" in scaffold.heads["user"] and self._single("<|im_start|>") is None

    def _control(self, id: int) -> bool:
        return bool(self._tokenizer.added_tokens_decoder[id].special)

    def _single(self, text: str) -> int | None:
        return next((id for id, content in self._plain.added.items() if content == text), None)

    def _with_specials(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False, split_special_tokens=False)["input_ids"])

    def _leading_text(self) -> str:
        """The BOS text, if this tokenizer puts one before a text."""
        bos = self._tokenizer.bos_token_id
        ids = self._tokenizer("a")["input_ids"]
        return str(self._tokenizer.bos_token) if bos is not None and ids[:1] == [bos] else ""

    def _end_of_turn(self, scaffold: Scaffold) -> int:
        """How many tokens of an assistant's tail are learnt: up to the first special one."""
        for index, id in enumerate(self._with_specials(scaffold.tails["assistant"])):
            if id in self._plain.added:
                return index + 1
        raise TemplateUnfit("a reply ends without a special token, so it could not be stopped")

    def _pad(self) -> int:
        pad = self._tokenizer.pad_token_id
        return int(pad) if pad is not None else min(self.stop_ids)

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of plain content: never a special token, whatever the text."""
        # Where the markers themselves are plain text, a visitor could type one.
        return self._encode(text.replace("<|im_", "< |im_") if self._forgeable else text)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens show as their text."""
        return self._plain.decode(ids)

    def _call_ids(self, call: ToolCall) -> tuple[int, ...]:
        if self.tool_start is None or self.tool_end is None:
            return self.encode(call_text(call))
        return (self.tool_start, *self.encode(_call_json(call)), self.tool_end)

    def _body(self, message: Message) -> tuple[int, ...]:
        ids = self.encode(message.content) if message.content else ()
        for call in message.tool_calls:
            ids += self._call_ids(call)
        return ids

    def turn(self, message: Message) -> Turn:
        """One message as tokens, with what is learnt of it: an assistant's words, calls and end of turn."""
        head, tail = self._heads[message.role], self._tails[message.role]
        body = self._body(message)
        length = len(body) + self._stop if message.role == "assistant" else 0
        return Turn(head + body + tail, slice(len(head), len(head) + length))

    def prompt(self, messages: Sequence[Message], *, released: str = "") -> list[int]:
        """Ids to generate from: the turns, an opened assistant turn, and `released`, its text so far.

        `released` should end at a word, without trailing white space, as words carry their space in front.
        """
        ids = list(self._start)
        for message in messages:
            ids.extend(self.turn(message).ids)
        ids.extend(self._heads["assistant"])
        ids.extend(self.encode(released) if released else ())
        return ids

    def example(self, messages: Sequence[Message]) -> Rendered:
        """Ids and labels. Raises NothingToLearn when no token is supervised."""
        ids, labels, prefix = list(self._start), [IGNORED] * len(self._start), 0
        for index, message in enumerate(messages):
            turn = self.turn(message)
            masked = [IGNORED] * len(turn.ids)
            masked[turn.learn] = turn.ids[turn.learn]
            ids.extend(turn.ids)
            labels.extend(masked)
            if index == 0 and message.role == "system":
                prefix = len(ids)
        if all(label == IGNORED for label in labels):
            raise NothingToLearn("no assistant message to learn from", remedy="end the example with a reply")
        return Rendered(tuple(ids), tuple(labels), prefix)

    def self_test(self) -> None:
        """Check on live tokens what holds by construction. Raises TemplateUnfit."""
        messages = [Message(role, f"text {index} <|im_end|>") for index, role in enumerate(PROBE)]
        whole = self.example(messages)
        for size, role in enumerate(PROBE):
            if role != "assistant":
                continue
            opened = self.prompt(messages[:size])
            if tuple(opened) != whole.ids[: len(opened)] or whole.labels[len(opened)] == IGNORED:
                raise TemplateUnfit(f"prompt and example differ at turn {size}")
        if self.forbidden_ids & set(self.encode("".join(self._plain.added.values()))):
            raise TemplateUnfit("text can forge control tokens of this tokenizer")
