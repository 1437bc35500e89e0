"""The remote engine: vLLM, or any other server that speaks OpenAI's chat API."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

import httpx

from senmon.adapters import Adapter
from senmon.engines.call_schema import AllowedCall, allowed_calls
from senmon.engines.openai_wire import (
    MAX_REPLY,
    Answer,
    CallFaultError,
    wire_messages,
    wire_sampling,
    wire_tools,
)
from senmon.engines.protocol import Chunk, GenerateRequest
from senmon.errors import (
    AdapterMismatch,
    AdapterNotFound,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    PromptTooLong,
    SenmonError,
)

_PAUSE = 0.25
_REMEDIES = {
    401: "check the engine's API key",
    403: "check the engine's API key",
    404: "check the engine's url and base_model",
}
_TOO_LONG = ("context_length_exceeded", "maximum context length", "max_model_len", "longer than the maximum")


def adapter_model(adapter: Adapter) -> str:
    """Name of an adapter on the server: `pack-<12 digits of its version>`."""
    return f"{adapter.pack}-{adapter.version[:12]}"


class OpenAIEngine:
    """Streams from `{url}/v1/chat/completions`. Made in one event loop and used in it.

    `name_of` maps an adapter to the server's model name; the bare base is `base_model`. `base_digest`,
    when given, is compared with the adapters'. `vllm` also sends vLLM's own parameters (`top_k`, and
    `continue_final_message` to go on from released text). `timeout` is in seconds, for connecting and
    between two chunks. Before the first chunk a fault of the server is retried `retries` times.
    """

    def __init__(
        self,
        url: str,
        api_key: str = "",
        base_model: str = "base",
        *,
        name_of: Callable[[Adapter], str] = adapter_model,
        base_digest: str = "",
        vllm: bool = True,
        timeout: float = 60.0,
        retries: int = 2,
    ) -> None:
        self._url = url.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"
        self._base_model = base_model
        self._name_of = name_of
        self._base_digest = base_digest
        self._vllm = vllm
        self._retries = retries
        self._closed = asyncio.Event()
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout)

    @property
    def base_digest(self) -> str:
        return self._base_digest

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Raises EngineBusy, EngineUnavailable, PromptTooLong, AdapterError before the first chunk.

        Raises EngineError when the server asks twice for a call that isn't allowed.
        """
        self._check(request)
        allowed = allowed_calls(request.tools, request.candidates)
        body = self._body(request, allowed)
        try:
            async with contextlib.aclosing(self._attempt(body, request, allowed)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except CallFaultError as error:
            body = _corrected(body, error)
        try:
            async with contextlib.aclosing(self._attempt(body, request, allowed)) as chunks:
                async for chunk in chunks:
                    # What was said before the first call was sent already.
                    if chunk.finish is not None:
                        yield Chunk("", chunk.tool_call, chunk.finish, chunk.usage)
        except CallFaultError as error:
            raise EngineError(f"the model server asked twice for a wrong call: {error.message}") from error

    async def close(self) -> None:
        self._closed.set()
        await self._client.aclose()

    def _check(self, request: GenerateRequest) -> None:
        if self._closed.is_set():
            raise EngineUnavailable("the engine is closed")
        adapter = request.adapter
        if adapter and self._base_digest and adapter.card.base_digest != self._base_digest:
            raise AdapterMismatch(
                f"adapter {adapter.label} was tuned for another base",
                remedy="tune the pack again for this base",
            )

    def _body(self, request: GenerateRequest, allowed: Sequence[AllowedCall]) -> dict[str, Any]:
        model = self._name_of(request.adapter) if request.adapter else self._base_model
        body: dict[str, Any] = {
            "model": model,
            "messages": wire_messages(request.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **wire_sampling(request.sampling, vllm=self._vllm),
        }
        if allowed:
            body |= {"tools": wire_tools(allowed), "parallel_tool_calls": False}
            body |= {"tool_choice": "required"} if request.must_call else {}
        if request.released:
            body["messages"].append({"role": "assistant", "content": request.released})
            if self._vllm:
                body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body

    async def _attempt(
        self, body: Mapping[str, Any], request: GenerateRequest, allowed: Sequence[AllowedCall]
    ) -> AsyncGenerator[Chunk, None]:
        answer = Answer()
        async with contextlib.aclosing(self._events(body, request)) as events:
            async for data in events:
                if text := answer.add(data):
                    yield Chunk(text)
        call = answer.call(allowed)
        if answer.finish is None and call is None:
            raise EngineUnavailable("the model server broke off its answer")
        finish = "tool_calls" if call else answer.finish
        if finish == "tool_calls" and call is None:
            raise CallFaultError("it announced a call and sent none")
        yield Chunk(answer.rest(), tool_call=call, finish=finish, usage=answer.usage)

    async def _events(
        self, body: Mapping[str, Any], request: GenerateRequest
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The stream's JSON objects; retried while nothing has come."""
        for attempt in range(self._retries + 1):
            began = False
            try:
                async with contextlib.aclosing(self._stream(body, request)) as stream:
                    async for data in stream:
                        began = True
                        yield data
                return
            except EngineUnavailable:
                if began or attempt == self._retries or self._closed.is_set():
                    raise
            await asyncio.sleep(_PAUSE * 2**attempt)

    async def _stream(
        self, body: Mapping[str, Any], request: GenerateRequest
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        try:
            async with self._client.stream("POST", self._url, json=body) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refusal(response, await _text(response), request)
                async with contextlib.aclosing(self._lines(response)) as lines:
                    async for line in lines:
                        if line == "[DONE]":
                            return
                        yield _object(line)
        except httpx.PoolTimeout as error:
            raise EngineBusy("too many requests to the model server are open") from error
        except (httpx.HTTPError, httpx.StreamError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not self._closed.is_set():
                raise
            raise EngineUnavailable(
                f"the model server can't be reached ({type(error).__name__})",
                remedy="check that it runs, and the engine's url",
            ) from error

    async def _lines(self, response: httpx.Response) -> AsyncGenerator[str, None]:
        """The data of server-sent events. Ends with EngineUnavailable when the engine is closed."""
        lines = response.aiter_lines()
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            while True:
                line = asyncio.ensure_future(anext(lines, None))
                try:
                    await asyncio.wait((line, closed), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not line.done():
                        line.cancel()
                        await asyncio.wait((line,))
                if line.cancelled() or closed.done():
                    raise EngineUnavailable("the engine was closed while this reply was being made")
                if (text := line.result()) is None:
                    return
                if text.startswith("data:") and len(text) <= MAX_REPLY:
                    yield text[5:].strip()
        finally:
            closed.cancel()


def _corrected(body: Mapping[str, Any], fault: CallFaultError) -> dict[str, Any]:
    """The same request with a word about what was wrong; else a greedy server would repeat itself."""
    note = {
        "role": "user",
        "content": f"(Your last call was refused: {fault.message}. Call again, correctly.)",
    }
    changed = {key: value for key, value in body.items() if key not in ("continue_final_message",)}
    changed.pop("add_generation_prompt", None)
    return {**changed, "messages": [*body["messages"], note]}


def _object(line: str) -> Mapping[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EngineError("the model server sent a chunk that is no JSON") from error
    if not isinstance(data, dict):
        raise EngineError("the model server sent a chunk that is no JSON object")
    if data.get("error"):
        raise EngineUnavailable(f"the model server failed: {_message(data)}")
    return data


async def _text(response: httpx.Response) -> str:
    """The first 64 KB of an error's body."""
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > 65_536:
            break
    return content.decode("utf-8", errors="replace")


def _refusal(response: httpx.Response, text: str, request: GenerateRequest) -> SenmonError:
    status = response.status_code
    try:
        message = _message(json.loads(text))
    except (ValueError, RecursionError):
        message = text[:300]
    said = f"the model server answered {status}: {message}"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return EngineBusy(said, retry_after=_retry_after(response))
    if status == httpx.codes.NOT_FOUND and request.adapter:
        name = request.adapter.label
        return AdapterNotFound(f"adapter {name}: {said}", remedy="load the adapter on the model server")
    if status in _REMEDIES:
        return EngineUnavailable(said, remedy=_REMEDIES[status])
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return EngineUnavailable(said)
    if any(sign in text for sign in _TOO_LONG):
        return PromptTooLong(said, remedy="start a new conversation, or shorten the prompt")
    return EngineError(said)


def _message(data: Any) -> str:
    """The message of an error object, in OpenAI's form or vLLM's."""
    error = data.get("error", data) if isinstance(data, dict) else data
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)[:300]


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(max(float(response.headers.get("Retry-After", "1")), 0.0), 600.0)
    except ValueError:
        return 1.0
