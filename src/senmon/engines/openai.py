"""The remote engine: vLLM, or any other server that speaks OpenAI's chat API."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Unpack

from senmon.adapters import Adapter
from senmon.engines.call_schema import AllowedCall, allowed_calls
from senmon.engines.fleet import Fleet, FleetLimits, FleetStats
from senmon.engines.openai_wire import Answer, CallFaultError, wire_messages, wire_sampling, wire_tools
from senmon.engines.protocol import Chunk, GenerateRequest
from senmon.errors import AdapterMismatch, EngineError, EngineUnavailable

_PATH = "/v1/chat/completions"


class OpenAIEngine:
    """Streams from `/v1/chat/completions` of the servers at `urls` (one, or several that hold the same).

    An adapter is asked for by its name (`fleet_names.adapter_model`), the bare base as `base_model`.
    `base_digest`, when given, is compared with the adapters'. `vllm` also sends vLLM's own parameters
    (`top_k`, and `continue_final_message` to go on from released text). `limits` are Fleet's.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        api_key: str = "",
        base_model: str = "base",
        *,
        base_digest: str = "",
        vllm: bool = True,
        **limits: Unpack[FleetLimits],
    ) -> None:
        """Raises ConfigError for addresses that are none."""
        self._base_model = base_model
        self._base_digest = base_digest
        self._vllm = vllm
        self.fleet = Fleet((urls,) if isinstance(urls, str) else urls, api_key, **limits)

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
        await self.fleet.close()

    def stats(self) -> FleetStats:
        return self.fleet.stats()

    async def hold(self, adapters: Iterable[Adapter]) -> None:
        """As `Fleet.hold`."""
        await self.fleet.hold(adapters)

    def _check(self, request: GenerateRequest) -> None:
        if self.fleet.closed:
            raise EngineUnavailable("the engine is closed")
        adapter = request.adapter
        if adapter and self._base_digest and adapter.card.base_digest != self._base_digest:
            raise AdapterMismatch(
                f"adapter {adapter.label} was tuned for another base",
                remedy="tune the pack again for this base",
            )

    def _body(self, request: GenerateRequest, allowed: Sequence[AllowedCall]) -> dict[str, Any]:
        body: dict[str, Any] = {
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
        found = self.fleet.objects(_PATH, body, request.adapter, base_model=self._base_model)
        async with contextlib.aclosing(found) as objects:
            async for data in objects:
                if text := answer.add(data):
                    yield Chunk(text)
        call = answer.call(allowed)
        finish = "tool_calls" if call else answer.finish
        if finish == "tool_calls" and call is None:
            raise CallFaultError("it announced a call and sent none")
        yield Chunk(answer.rest(), tool_call=call, finish=finish, usage=answer.usage)


def _corrected(body: Mapping[str, Any], fault: CallFaultError) -> dict[str, Any]:
    """The same request with a word about what was wrong; else a greedy server would repeat itself."""
    note = {
        "role": "user",
        "content": f"(Your last call was refused: {fault.message}. Call again, correctly.)",
    }
    changed = {key: value for key, value in body.items() if key not in ("continue_final_message",)}
    changed.pop("add_generation_prompt", None)
    return {**changed, "messages": [*body["messages"], note]}
