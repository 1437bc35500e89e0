"""The engine's chunks, measured: first token, length, and what came out of the cache."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from senmon import tracing
from senmon.engines.protocol import Chunk, Engine, GenerateRequest


async def generated(engine: Engine, request: GenerateRequest, pack: str) -> AsyncGenerator[Chunk, None]:
    """As `engine.generate`."""
    version = request.adapter.version[:12] if request.adapter else ""
    source = tracing.streamed("generate", engine.generate(request), pack=pack, adapter=version)
    begun, silent = time.perf_counter(), True
    async with aclosing(source) as chunks:
        async for step, chunk in chunks:
            if step is not None:
                if silent and (chunk.text or chunk.tool_call):
                    silent = False
                    step.note(first_token=time.perf_counter() - begun)
                _note(step, chunk)
            yield chunk


def _note(step: tracing.Step, chunk: Chunk) -> None:
    if chunk.finish:
        step.note(finish=chunk.finish)
    if usage := chunk.usage:
        step.note(
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
        )
