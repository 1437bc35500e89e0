"""One model server over HTTP: a request's server-sent JSON objects, and its faults by their names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from senmon import tracing
from senmon.engines.openai_wire import MAX_REPLY
from senmon.errors import (
    AdapterNotFound,
    ConfigError,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    PromptTooLong,
    SenmonError,
)

_REMEDIES = {
    401: "check the engine's API key",
    403: "check the engine's API key",
    404: "check the engine's url and base_model",
}
_TOO_LONG = ("context_length_exceeded", "maximum context length", "max_model_len", "longer than the maximum")
_BODY = 65_536
#: Seconds to wait for a connection; a server that is gone must not hold up the next one.
_CONNECT = 5.0
_KEY = re.compile(r"\b(sk-|Bearer )[\w.*-]{4,}")


class ServerHttp:
    """Talks to the server at `url` (with or without `/v1`). `name` is its host and port, for people
    and logs. `timeout` is in seconds, between two chunks."""

    def __init__(self, url: str, api_key: str, timeout: float) -> None:
        root = url.strip().rstrip("/").removesuffix("/v1")
        parts = _checked(root)
        self.name = parts.netloc + parts.path
        self._key = api_key
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(
            base_url=root,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )
        self._closed = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    async def close(self) -> None:
        self._closed.set()
        await self._client.aclose()

    async def get(self, path: str, *, timeout: float | None = None) -> httpx.Response:
        """Any answer. Raises EngineUnavailable when there is none."""
        return await self._plain("GET", path, timeout=timeout)

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        return await self._plain("POST", path, json=body)

    async def _plain(
        self, method: str, path: str, timeout: float | None = None, **rest: Any
    ) -> httpx.Response:
        limit = self._client.timeout if timeout is None else httpx.Timeout(timeout)
        try:
            return await self._client.request(method, path, timeout=limit, headers=tracing.headers(), **rest)
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as error:
            raise self._unreachable(error) from error

    async def objects(
        self, path: str, body: Mapping[str, Any], adapter: str
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The JSON objects of a streamed answer. `adapter` is the label of the one asked for, or empty."""
        try:
            request = self._client.stream("POST", path, json=body, headers=tracing.headers())
            async with request as response:
                if response.status_code != httpx.codes.OK:
                    raise self._refusal(response, await _text(response), adapter)
                async with contextlib.aclosing(self._lines(response)) as lines:
                    async for line in lines:
                        if line == "[DONE]":
                            return
                        yield self._object(line)
        except (httpx.HTTPError, httpx.StreamError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not self.closed:
                raise
            raise self._unreachable(error) from error

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
                if len(text) > MAX_REPLY:
                    raise EngineError("the model server sends chunks without end")
                if text.startswith("data:"):
                    yield text[5:].strip()
        finally:
            closed.cancel()

    def _object(self, line: str) -> Mapping[str, Any]:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise EngineError("the model server sent a chunk that is no JSON") from error
        if not isinstance(data, dict):
            raise EngineError("the model server sent a chunk that is no JSON object")
        if data.get("error"):
            raise EngineUnavailable(f"the model server failed: {self.said(data)}")
        return data

    def _refusal(self, response: httpx.Response, text: str, adapter: str) -> SenmonError:
        status = response.status_code
        said = f"the model server answered {status}: {self.said(text)}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return EngineBusy(said, retry_after=_retry_after(response))
        if status == httpx.codes.NOT_FOUND and adapter:
            return AdapterNotFound(
                f"adapter {adapter}: {said}", remedy="load the adapter on the model server, see docs/vllm.md"
            )
        if status in _REMEDIES:
            return EngineUnavailable(said, remedy=_REMEDIES[status])
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return EngineUnavailable(said)
        if any(sign in text for sign in _TOO_LONG):
            return PromptTooLong(said, remedy="start a new conversation, or shorten the prompt")
        return EngineError(said)

    def _unreachable(self, error: Exception) -> EngineUnavailable:
        return EngineUnavailable(
            f"the model server {self.name} can't be reached ({type(error).__name__})",
            remedy="check that it runs, and SENMON_ENGINE_URL",
        )

    def said(self, data: Any) -> str:
        """The message of an error object in OpenAI's form or vLLM's, without keys that it may repeat."""
        if isinstance(data, str):
            with contextlib.suppress(ValueError, RecursionError):
                data = json.loads(data)
        error = data.get("error", data) if isinstance(data, dict) else data
        message = str(error.get("message") if isinstance(error, dict) else error)
        if self._key:
            message = message.replace(self._key, "***")
        return _KEY.sub(r"\1***", message)[:300]


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise ConfigError(
            "SENMON_ENGINE_URL holds something that is no http address",
            remedy="give addresses such as http://127.0.0.1:8001, separated by commas",
        )
    if "@" in parts.netloc:  # it would show in logs
        raise ConfigError(
            "SENMON_ENGINE_URL holds a name or password", remedy="give a key as SENMON_ENGINE_API_KEY"
        )
    return parts


async def _text(response: httpx.Response) -> str:
    """The first 64 KB of an error's body."""
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > _BODY:
            break
    return content.decode("utf-8", errors="replace")


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(max(float(response.headers.get("Retry-After", "1")), 0.0), 600.0)
    except ValueError:
        return 1.0
