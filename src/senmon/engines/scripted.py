"""An engine that says what it is told: for tests, examples and trying a pack without a model."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence

from senmon.engines.protocol import Chunk, GenerateRequest
from senmon.engines.stops import StopWatch
from senmon.errors import EngineUnavailable
from senmon.messages import FinishReason, ToolCall, Usage

#: What a script may answer: text, a call, or a sequence of both (text first, one call last).
Scripted = str | ToolCall | Sequence[str | ToolCall]
Script = Callable[[GenerateRequest], Scripted] | Mapping[str, Scripted]


class ScriptedEngine:
    """Deterministic engine. Streams words; a token of its usage is a word.

    `script` is a function of the request, or a mapping from the last user message's text (`"*"` is the
    answer to everything else; without it an unknown text raises EngineUnavailable). `delay` is in seconds
    per word. `requests` keeps what was asked, in order. Text that was released already is not repeated.
    """

    def __init__(self, script: Script, *, delay: float = 0.0, base_digest: str = "") -> None:
        self._script = script
        self._delay = delay
        self._base_digest = base_digest
        self._closed = False
        self.requests: list[GenerateRequest] = []
        self.cancelled = 0

    @property
    def base_digest(self) -> str:
        return self._base_digest

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Raises EngineUnavailable when closed, or when the script has no answer."""
        self._check_open()
        self.requests.append(request)
        parts = self._parts(request)
        try:
            async with contextlib.aclosing(self._stream(request, parts)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise EngineUnavailable("the scripted engine is closed")

    def _parts(self, request: GenerateRequest) -> tuple[str, ToolCall | None]:
        answer = self._answer(request)
        parts = (answer,) if isinstance(answer, str | ToolCall) else tuple(answer)
        text = "".join(part for part in parts if isinstance(part, str))
        call = next((part for part in parts if isinstance(part, ToolCall)), None)
        return text.removeprefix(request.released), call

    def _answer(self, request: GenerateRequest) -> Scripted:
        if not isinstance(self._script, Mapping):
            return self._script(request)
        last = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        for key in (last, "*"):
            if key in self._script:
                return self._script[key]
        raise EngineUnavailable(f"the script has no answer to {last!r}", remedy='add one, or a "*" entry')

    async def _stream(
        self, request: GenerateRequest, parts: tuple[str, ToolCall | None]
    ) -> AsyncGenerator[Chunk, None]:
        text, call = parts
        watch, words = StopWatch(request.sampling.stop), 0
        prompt = sum(len(message.content.split()) for message in request.messages)
        for word in split_words(text):
            if words == request.sampling.max_tokens:
                yield Chunk(watch.flush(), finish="length", usage=Usage(prompt, words))
                return
            await asyncio.sleep(self._delay)
            self._check_open()
            words += 1
            piece = watch.feed(word)
            if piece.found is not None:
                yield Chunk(piece.text, finish="stop", usage=Usage(prompt, words))
                return
            if piece.text:
                yield Chunk(piece.text)
        if rest := watch.flush():
            yield Chunk(rest)
        finish: FinishReason = "tool_calls" if call else "stop"
        yield Chunk(tool_call=call, finish=finish, usage=Usage(prompt, words + bool(call)))


def split_words(text: str) -> Iterator[str]:
    """Pieces of one word each, with the white space before it; together they are `text`."""
    start = 0
    for match in re.finditer(r"\S+", text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:]
