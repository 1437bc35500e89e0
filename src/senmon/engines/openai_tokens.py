"""The remote engine over vLLM: prompts in token ids, adapters by name, calls bound to their schema.

words ── ends ──► the reply
      └─ a call begins ──► a second request from there on, bound to the schema of the allowed calls
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import httpx

from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles, load_tokenizer
from senmon.engines.call_schema import AllowedCall, allowed_calls
from senmon.engines.fleet import Fleet, FleetLimits, FleetStats
from senmon.engines.fleet_adapters import Bringer
from senmon.engines.fleet_http import ServerHttp
from senmon.engines.fleet_replica import ModelsList
from senmon.engines.openai_wire import checked_call
from senmon.engines.protocol import Chunk, GenerateRequest
from senmon.engines.tokens_wire import Words, call_body, plus, words_body
from senmon.errors import AdapterMismatch, EngineError, EngineUnavailable, PromptTooLong
from senmon.messages import Usage
from senmon.rendering import CALL_START, Renderer, parse_call

_PATH = "/v1/completions"
#: A prompt must leave this much of the context for its reply.
_REPLY_TOKENS = 16
#: Texts that other tokenizers cut otherwise.
_PROBE = "Where's order 10-4821? It cost €37.50 – ½ of x² + 3x = 0, naïve façade, 日本語!\n\tthe end"


class TokenEngine:
    """Several vLLM servers with the base `files`; `bringer` brings them their adapters.

    Replies are those of the local engine, up to rounding. `model` is the base's name on the servers (empty:
    what they list first).
    """

    def __init__(
        self,
        urls: Sequence[str],
        files: BaseFiles,
        bringer: Bringer,
        api_key: str = "",
        *,
        model: str = "",
        **limits: Unpack[FleetLimits],
    ) -> None:
        """Loads the tokenizer (a second or two). Raises BaseError, RenderError, ConfigError."""
        self._digest = files.digest
        self._model = model
        self._renderer = Renderer(load_tokenizer(files))
        self.fleet = Fleet(urls, api_key, bringer=bringer, verify=self._verify, **limits)

    @property
    def base_digest(self) -> str:
        return self._digest

    async def close(self) -> None:
        await self.fleet.close()

    def stats(self) -> FleetStats:
        return self.fleet.stats()

    async def hold(self, adapters: Iterable[Adapter]) -> None:
        """As `Fleet.hold`."""
        await self.fleet.hold(adapters)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Raises EngineBusy, EngineUnavailable, PromptTooLong, AdapterError before the first chunk.

        Afterwards EngineUnavailable, when the server breaks off and nothing can be repeated.
        """
        self._check(request)
        ids = self._renderer.prompt(request.messages, released=request.released)
        room = await self._room(len(ids))
        if request.sampling.max_tokens <= 0:
            yield Chunk(finish="length", usage=Usage(len(ids)))
            return
        calls = allowed_calls(request.tools, request.candidates)
        words = Words()
        if not (request.must_call and calls):
            async with contextlib.aclosing(self._words(words, ids, room, request, calls)) as chunks:
                async for chunk in chunks:
                    yield chunk
            if not (calls and words.begins_call(self._renderer.tool_start)):
                yield Chunk(finish=words.finish, usage=words.usage)
                return
        yield await self._call(words, self._call_prompt(ids, words, request), room, request, calls)

    def _check(self, request: GenerateRequest) -> None:
        if self.fleet.closed:
            raise EngineUnavailable("the engine is closed")
        adapter = request.adapter
        if adapter and adapter.card.base_digest != self._digest:
            raise AdapterMismatch(
                f"adapter {adapter.label} was tuned for another base",
                remedy="tune the pack again for this base",
            )

    async def _room(self, prompt: int) -> int:
        context = await self.fleet.context()
        if prompt + _REPLY_TOKENS > context:
            raise PromptTooLong(
                f"the prompt has {prompt} tokens; {context - _REPLY_TOKENS} fit",
                remedy="start a new conversation, or shorten the prompt",
            )
        return context - prompt

    async def _words(
        self,
        words: Words,
        ids: Sequence[int],
        room: int,
        request: GenerateRequest,
        calls: Sequence[AllowedCall],
    ) -> AsyncGenerator[Chunk, None]:
        body = words_body(ids, request.sampling, room, self._renderer, calls=bool(calls))
        async with contextlib.aclosing(self._objects(body, request)) as found:
            async for data in found:
                if text := words.add(data):
                    yield Chunk(text)

    async def _call(
        self,
        words: Words,
        ids: Sequence[int],
        room: int,
        request: GenerateRequest,
        calls: Sequence[AllowedCall],
    ) -> Chunk:
        """The whole call, as the reply's last chunk."""
        left = request.sampling.max_tokens - len(words.ids)
        room -= len(words.ids) + 1
        if min(left, room) <= 0:
            return Chunk(finish="length", usage=words.usage)
        call = Words()
        sampling = replace(request.sampling, max_tokens=left)
        async with contextlib.aclosing(
            self._objects(call_body(ids, sampling, room, calls), request)
        ) as found:
            async for data in found:
                call.add(data)
        usage = plus(words.usage, call.usage)
        if call.finish == "length":
            return Chunk(finish="length", usage=usage)
        try:
            # Equal calls of one conversation differ by their place in it.
            place = hashlib.sha256(f"{len(ids)}:{call.text}".encode()).hexdigest()
            asked = parse_call(call.text, id=f"call_{place[:12]}")
        except ValueError as error:
            raise EngineError(
                f"the model server wrote a call that is none ({error})",
                remedy="use a vLLM whose structured outputs work",
            ) from error
        return Chunk(tool_call=checked_call(asked, calls), finish="tool_calls", usage=usage)

    def _call_prompt(self, ids: Sequence[int], words: Words, request: GenerateRequest) -> list[int]:
        """What the call follows: the prompt, the words written, and the marker."""
        start = self._renderer.tool_start
        marker = list(self._renderer.encode(CALL_START)) if start is None else [start]
        if words.stopped_by == CALL_START:  # it was spelt: its tokens may reach into what follows
            return [*self._renderer.prompt(request.messages, released=request.released + words.text), *marker]
        written = words.ids[:-1] if words.ids[-1:] == [start] else words.ids
        return [*ids, *written, *marker]

    def _objects(
        self, body: Mapping[str, Any], request: GenerateRequest
    ) -> AsyncGenerator[Mapping[str, Any]]:
        return self.fleet.objects(_PATH, body, request.adapter, base_model=self._model)

    async def _verify(self, http: ServerHttp, models: ModelsList) -> None:
        """Raises EngineUnavailable when this server has another base: ids would mean other words there."""
        if not models.context:
            raise EngineUnavailable(
                f"{http.name} is no vLLM server with a base model",
                remedy="set SENMON_ENGINE_LORA=given for other servers",
            )
        name = self._model or models.bases[0]
        answer = await http.post("/tokenize", {"model": name, "prompt": _PROBE, "add_special_tokens": False})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return
        try:
            theirs = answer.json()["tokens"]
        except (ValueError, KeyError, TypeError):
            theirs = None
        if answer.status_code != httpx.codes.OK or theirs != list(self._renderer.encode(_PROBE)):
            raise EngineUnavailable(
                f"{http.name} serves another base: its tokenizer cuts words otherwise",
                remedy="start vLLM with the folder that `senmon base path` prints, or set SENMON_BASE",
            )
