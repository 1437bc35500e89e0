"""The body of a chat completion, and the conversation that it is folded into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from senmon.errors import RequestInvalid
from senmon.messages import Message
from senmon.server.text import check_length, clean

_UNSUPPORTED = "is not supported: the pack decides"
#: Parameter → values that ask for nothing. Anything else is refused by name.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "logit_bias": ({},),
    "stop": ([],),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
}


class StreamOptions(BaseModel):
    """OpenAI's `stream_options`."""

    model_config = ConfigDict(extra="forbid")

    include_usage: StrictBool = False
    include_obfuscation: StrictBool | None = None


class ChatMessage(BaseModel):
    """One message. Content is text, or parts of which each is text."""

    model_config = ConfigDict(extra="forbid")

    role: str = Field(max_length=20)
    content: str | list[dict[str, Any]] | None = None
    name: str | None = Field(None, max_length=64)
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = Field(None, max_length=64)
    function_call: Any = None
    audio: Any = None
    annotations: Any = None


class ChatRequest(BaseModel):
    """`POST /v1/chat/completions`.

    Sampling parameters are accepted and have no effect: how a pack speaks is part of the pack.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=100, description="`auto`, or a pack from GET /v1/models.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=256)
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = Field(
        None,
        description="`conversation_id` continues a stored conversation; then only the last message counts.",
    )

    temperature: float | None = Field(None, description="No effect.")
    top_p: float | None = Field(None, description="No effect.")
    max_tokens: int | None = Field(None, description="No effect.")
    max_completion_tokens: int | None = Field(None, description="No effect.")
    presence_penalty: float | None = Field(None, description="No effect.")
    frequency_penalty: float | None = Field(None, description="No effect.")
    seed: int | None = Field(None, description="No effect.")
    user: str | None = Field(None, description="No effect.")
    store: bool | None = Field(None, description="No effect.")
    service_tier: str | None = Field(None, description="No effect.")
    safety_identifier: str | None = Field(None, description="No effect.")
    prompt_cache_key: str | None = Field(None, description="No effect.")
    reasoning_effort: str | None = Field(None, description="No effect.")
    verbosity: str | None = Field(None, description="No effect.")

    n: Any = Field(None, description="Only 1.")
    logprobs: Any = Field(None, description="Refused.")
    top_logprobs: Any = Field(None, description="Refused.")
    response_format: Any = Field(None, description="Only text.")
    tools: Any = Field(None, description="Refused: actions belong to packs.")
    tool_choice: Any = Field(None, description="Refused.")
    functions: Any = Field(None, description="Refused.")
    function_call: Any = Field(None, description="Refused.")
    parallel_tool_calls: Any = Field(None, description="No effect.")
    logit_bias: Any = Field(None, description="Refused.")
    stop: Any = Field(None, description="Refused.")
    modalities: Any = Field(None, description="Only text.")
    audio: Any = Field(None, description="Refused.")
    prediction: Any = Field(None, description="Refused.")
    web_search_options: Any = Field(None, description="Refused.")

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


@dataclass(frozen=True, slots=True)
class Folded:
    """A stateless request as a turn. `system` is the caller's, and untrusted."""

    system: str
    history: tuple[Message, ...]
    text: str


def refuse_unsupported(body: ChatRequest) -> None:
    """Raises RequestInvalid naming the first parameter that can't be honoured."""
    for name, neutral in _NEUTRAL.items():
        value = getattr(body, name)
        # 1 == True in Python, not in JSON.
        if value is not None and not any(value == known and type(value) is type(known) for known in neutral):
            raise RequestInvalid(f"`{name}` {_UNSUPPORTED}", param=name, remedy="leave it out")
    if body.stream_options is not None and not body.stream:
        raise RequestInvalid("`stream_options` needs `stream`", param="stream_options", remedy="leave it out")


def fold(messages: Sequence[ChatMessage], limit: int) -> Folded:
    """Raises RequestInvalid for roles, parts or characters that can't be, and when the user is not last."""
    system: list[str] = []
    said: list[Message] = []
    for index, message in enumerate(messages):
        text = _text(message, f"messages.{index}")
        if message.role in ("system", "developer"):
            system.append(text)
        elif message.role == "user":
            said.append(Message("user", text))
        else:
            said.append(Message("assistant", text))
    last = f"messages.{len(messages) - 1}"
    if messages[-1].role != "user":
        raise RequestInvalid("the last message must be the user's", param=f"{last}.role")
    text = said.pop().content
    if not text.strip():
        raise RequestInvalid("the last message is empty", param=f"{last}.content")
    check_length(text, limit, f"{last}.content")
    return Folded("\n\n".join(filter(None, system)), tuple(said), text)


def _text(message: ChatMessage, place: str) -> str:
    if message.role in ("tool", "function"):
        raise RequestInvalid(
            f"role `{message.role}` is not supported",
            param=f"{place}.role",
            remedy="actions run on the server",
        )
    if message.role not in ("system", "developer", "user", "assistant"):
        raise RequestInvalid(
            "unknown role", param=f"{place}.role", remedy="system, developer, user or assistant"
        )
    for name in ("tool_calls", "function_call", "audio"):
        if getattr(message, name):
            raise RequestInvalid(f"`{name}` is not supported", param=f"{place}.{name}", remedy="leave it out")
    try:
        return clean(_plain(message.content, f"{place}.content"))
    except ValueError as error:
        raise RequestInvalid(f"the text {error}", param=f"{place}.content") from error


def _plain(content: str | list[dict[str, Any]] | None, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for index, part in enumerate(content):
        if part.get("type") not in ("text", "refusal"):
            raise RequestInvalid("only text parts are supported", param=f"{place}.{index}.type")
        if not isinstance(part.get(part["type"]), str):
            raise RequestInvalid("a text part needs `text`", param=f"{place}.{index}")
    return "".join(part[part["type"]] for part in content)
