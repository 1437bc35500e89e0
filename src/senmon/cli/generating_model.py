"""The model that writes examples: the engine of the settings, asked for text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast

from senmon.errors import ConfigError, EngineBusy

if TYPE_CHECKING:
    from senmon.dataset.generation.self_instruct import Ask
    from senmon.engines.protocol import Chunk, Engine, GenerateRequest
    from senmon.messages import Message
    from senmon.workspace import Workspace

MOST_TOKENS = 1024
TEMPERATURE = 0.9
BUSY_TRIES = 6


@asynccontextmanager
async def asking(workspace: Workspace, model: str) -> AsyncIterator[Ask]:
    """`ask(messages, seed)`. Raises ConfigError when the settings name no server or no model."""
    from senmon.engines.protocol import GenerateRequest, Sampling

    engine = _engine(workspace, model)

    async def ask(messages: Sequence[Message], seed: int) -> str:
        sampling = Sampling(temperature=TEMPERATURE, top_p=0.95, seed=seed, max_tokens=MOST_TOKENS)
        return await _text(engine, GenerateRequest(tuple(messages), sampling=sampling))

    try:
        yield ask
    finally:
        await engine.close()


def _engine(workspace: Workspace, model: str) -> Engine:
    settings = workspace.settings
    if settings.engine == "local":
        return workspace.engine()
    from senmon.engines.openai import OpenAIEngine

    name = model or settings.base or ""
    if not settings.engine_url or not name:
        raise ConfigError(
            "--self-instruct needs a server and a model",
            remedy="set SENMON_ENGINE_URL, and --model to the model's name there",
        )
    key = settings.engine_api_key.get_secret_value() if settings.engine_api_key else ""
    return OpenAIEngine(settings.engine_url, key, name, vllm=False)


async def _text(engine: Engine, request: GenerateRequest) -> str:
    for attempt in range(BUSY_TRIES):
        try:
            text = ""
            async with aclosing(cast("AsyncGenerator[Chunk, None]", engine.generate(request))) as chunks:
                async for chunk in chunks:
                    text += chunk.text
            return text
        except EngineBusy as busy:
            if attempt == BUSY_TRIES - 1:
                raise
            await asyncio.sleep(min(busy.retry_after, 10.0))
    raise AssertionError("unreachable")
