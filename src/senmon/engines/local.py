"""The local engine: one base in this process, many adapters, one running batch.

coroutine ── prepare (own thread: adapter, tokens, grammar) ── submit ──► worker thread: the batch
    ◄──────────────────────────── chunks ───────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import ThreadPoolExecutor

from senmon.adapters.card import Adapter
from senmon.bases.catalog import BaseFiles, load_tokenizer
from senmon.engines.call_schema import allowed_calls
from senmon.engines.local_adapters import AdapterPool
from senmon.engines.local_batch import Batch
from senmon.engines.local_cache import PrefixCache
from senmon.engines.local_grammar import CallGrammars
from senmon.engines.local_model import SlotModel
from senmon.engines.local_outbox import Outbox
from senmon.engines.local_row import Job, Row
from senmon.engines.local_scheduler import EngineStats, Scheduler
from senmon.engines.local_text import Vocabulary
from senmon.engines.protocol import Chunk, GenerateRequest
from senmon.errors import EngineUnavailable, PromptTooLong
from senmon.messages import Usage
from senmon.rendering import Renderer

#: A prompt must leave this much of the context for its reply.
MIN_REPLY_TOKENS = 16


class LocalEngine:
    """Runs a base on this machine's CPU or GPU (`device`), one LoRA adapter per request.

    `slots` rows run at once, `queue` more wait. `threads` is torch's number (None: its own choice).
    `prefix_cache_tokens` bounds the kept prefixes (about 18 KB a token for the embedded base); 0 keeps
    none. `context` shortens the base's context. `prefill_chunk` tokens of prompts run between two decode
    steps. Adapters stay in memory up to `adapters` and `adapter_bytes`.
    """

    def __init__(
        self,
        files: BaseFiles,
        *,
        slots: int = 16,
        queue: int = 64,
        threads: int | None = None,
        device: str = "cpu",
        prefix_cache_tokens: int = 16_384,
        context: int | None = None,
        prefill_chunk: int = 256,
        adapters: int = 64,
        adapter_bytes: int = 2_000_000_000,
    ) -> None:
        """Loads the base (seconds). Raises BaseError, RenderError, EngineUnavailable."""
        self._digest = files.digest
        tokenizer = load_tokenizer(files)
        self._renderer = Renderer(tokenizer)
        self._model = SlotModel(files, device=device, slots=slots, context=context)
        size = self._model.vocabulary_size
        self._grammars = CallGrammars(tokenizer, size)
        pieces = self._grammars.pieces(size)
        self._vocabulary = Vocabulary.build(tokenizer, self._renderer, pieces, self._model.device)
        self._prefixes = PrefixCache(prefix_cache_tokens)
        self._pool = AdapterPool(self._model.bank, files.digest, count=adapters, bytes=adapter_bytes)
        self._prefill_chunk = prefill_chunk
        # One thread prepares: the grammar compiler is not shared, and adapters are not read twice.
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="senmon-prepare")
        self._scheduler = Scheduler(self._make_batch, self._make_row, slots=slots, queue=queue)
        self._scheduler.start(threads)

    @property
    def base_digest(self) -> str:
        return self._digest

    @property
    def context(self) -> int:
        """Tokens that a prompt and its reply may have together."""
        return self._model.context

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Raises EngineBusy, EngineUnavailable, PromptTooLong, AdapterError before the first chunk.

        Raises EngineError, also then, when a tool's parameters can't become a grammar.
        """
        self._scheduler.take_place(request.party)
        outbox = Outbox()
        try:
            job = await self._ready(request, outbox)
            if job.sampling.max_tokens > 0:
                self._scheduler.submit(job)
        except BaseException:
            self._scheduler.give_place_back(request.party)
            raise
        if job.sampling.max_tokens <= 0:
            self._scheduler.give_place_back(request.party)
            yield Chunk(finish="length", usage=Usage(len(job.ids)))
            return
        try:
            async with contextlib.aclosing(outbox.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            outbox.cancelled = True

    async def preload(self, adapters: Iterable[Adapter]) -> None:
        """Reads adapters before their first request. Raises AdapterError."""
        for adapter in adapters:
            await asyncio.get_running_loop().run_in_executor(self._desk, self._pool.get, adapter)

    async def close(self) -> None:
        """Stop; running generations end with EngineUnavailable. May be called twice."""
        self._desk.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._scheduler.close)

    def stats(self) -> EngineStats:
        pool = self._pool
        return dataclasses.replace(
            self._scheduler.stats(),
            prefix_blocks=len(self._prefixes),
            adapters=len(pool),
            adapter_hits=pool.hits,
            adapter_loads=pool.loads,
            adapter_evictions=pool.evictions,
        )

    async def _ready(self, request: GenerateRequest, outbox: Outbox) -> Job:
        try:
            future = self._desk.submit(self._prepare, request, outbox)
        except RuntimeError as error:  # the desk was shut down
            raise EngineUnavailable("the engine is closed") from error
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.cancelled() and (task := asyncio.current_task()) and not task.cancelling():
                raise EngineUnavailable("the engine was closed while this reply was prepared") from None
            raise

    def _prepare(self, request: GenerateRequest, outbox: Outbox) -> Job:
        ids = tuple(self._renderer.prompt(request.messages, released=request.released))
        if len(ids) + MIN_REPLY_TOKENS > self.context:
            raise PromptTooLong(
                f"the prompt has {len(ids)} tokens; {self.context - MIN_REPLY_TOKENS} fit",
                remedy="start a new conversation, or shorten the prompt",
            )
        adapter = self._pool.get(request.adapter) if request.adapter else None
        matcher = self._grammars.compile(allowed_calls(request.tools, request.candidates))
        return Job(ids, adapter, request.sampling, matcher, outbox, request.must_call, request.party)

    def _make_batch(self, scheduler: Scheduler) -> Batch:
        return Batch(
            self._model,
            self._prefixes,
            self._vocabulary,
            chunk=self._prefill_chunk,
            send=scheduler.send,
            ended=scheduler.ended,
        )

    def _make_row(self, job: Job) -> Row:
        return Row(job, self._vocabulary, self._model.context, self._grammars.encode)
