"""One model server of several: what it holds, what it is doing, whether it can be trusted just now."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from senmon.engines.fleet_breaker import Breaker
from senmon.engines.fleet_http import ServerHttp
from senmon.errors import EngineBusy, EngineUnavailable

_LOOK = 3.0


@dataclass(frozen=True, slots=True)
class ModelsList:
    """`GET /v1/models`: the names of the bases, in the server's order, and of the adapters.

    `root` is the base as the server was given it, `context` its longest sequence in tokens; both may be
    unknown. `told` is False where the server has no such list.
    """

    bases: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    root: str = ""
    context: int = 0
    told: bool = True


Verify = Callable[[ServerHttp, ModelsList], Awaitable[None]]


@dataclass(eq=False)
class Replica:
    http: ServerHttp
    #: Looks whether it is the right server, when it is met. Raises EngineUnavailable.
    verify: Verify | None = None
    clock: Callable[[], float] = time.monotonic
    active: int = 0
    users: Counter[str] = field(default_factory=Counter)
    used: dict[str, float] = field(default_factory=dict)
    #: None after it was away.
    models: ModelsList | None = None
    #: Adapters that are on the server for sure, and those that this process has asked for.
    held: set[str] = field(default_factory=set)
    ours: set[str] = field(default_factory=set)
    fault: str = ""

    def __post_init__(self) -> None:
        self.breaker = Breaker(clock=self.clock)
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def name(self) -> str:
        return self.http.name

    def lock(self, model: str) -> asyncio.Lock:
        """Loading and unloading of one adapter come after each other."""
        return self._locks.setdefault(model, asyncio.Lock())

    @asynccontextmanager
    async def using(self, model: str) -> AsyncIterator[None]:
        """While a request of this adapter (empty: the base) is under way; its end tells the breaker."""
        self.active += 1
        self.users[model] += 1
        self.breaker.begin()
        try:
            yield
        except EngineUnavailable as error:
            self.failed(error.message)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            self.breaker.unsure()
            raise
        except EngineBusy:
            self.breaker.unsure()
            raise
        except BaseException:
            self.breaker.good()  # it answers, if only with a refusal
            raise
        else:
            self.breaker.good()
        finally:
            self.active -= 1
            self.users[model] -= 1
            self.used[model] = self.clock()

    def failed(self, why: str) -> None:
        self.fault = why
        self.breaker.bad()
        self.forget()

    def forget(self) -> None:
        """It may have been started anew, without any adapter."""
        self.models = None
        self.held.clear()

    async def meet(self) -> ModelsList:
        """What it holds; asked once until it is away. Raises EngineUnavailable."""
        async with self.lock(""):
            if self.models is None:
                models = await self._ask()
                if self.verify is not None:
                    await self.verify(self.http, models)
                self.models = models
                self.held |= self.models.names
            return self.models

    async def look(self) -> bool:
        """Whether it gives a sign of life (vLLM: `/health`; another server: any answer but a fault)."""
        try:
            answer = await self.http.get("/health", timeout=_LOOK)
        except EngineUnavailable as error:
            self.failed(error.message)
            return False
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            self.failed(f"/health answered {answer.status_code}")
            return False
        self.breaker.try_now()
        return True

    async def _ask(self) -> ModelsList:
        answer = await self.http.get("/v1/models")
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            return ModelsList(told=False)
        if answer.status_code != httpx.codes.OK:
            said = self.http.said(answer.text)
            raise EngineUnavailable(
                f"the model server {self.name} answered {answer.status_code}: {said}",
                remedy="check SENMON_ENGINE_URL and the engine's API key",
            )
        try:
            return _models(answer.json())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise EngineUnavailable(f"{self.name}: its list of models makes no sense ({error!r})") from error


def _models(data: Any) -> ModelsList:
    entries = [entry for entry in data["data"] if isinstance(entry["id"], str)]
    bases = [entry for entry in entries if not entry.get("parent")]
    first = bases[0] if bases else {}
    return ModelsList(
        bases=tuple(entry["id"] for entry in bases),
        names=frozenset(entry["id"] for entry in entries),
        root=str(first.get("root") or ""),
        context=int(first.get("max_model_len") or 0),
    )
