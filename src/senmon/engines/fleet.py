"""Several model servers as one: each request goes to the server its adapter belongs to, or to the next one.

A request is tried again, on another server where there is one, until its first word has come; from then on a
fault ends it. Servers that fail are left alone (`fleet_breaker`) and looked at; one that was started anew
gets its adapters back before it answers for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, Unpack

from senmon.adapters import Adapter
from senmon.engines.fleet_adapters import Bringer, Given, Loaded
from senmon.engines.fleet_choice import choose, ranked
from senmon.engines.fleet_http import ServerHttp
from senmon.engines.fleet_names import adapter_model
from senmon.engines.fleet_replica import Replica, Verify
from senmon.engines.fleet_stream import speaks, whole
from senmon.errors import AdapterError, ConfigError, EngineBusy, EngineError, EngineUnavailable, SenmonError

_PAUSE = 0.25
#: Seconds between two rounds of tending, and between two looks at a server.
_ROUND, _LOOK_EVERY = 1.0, 5.0
#: On so many servers an adapter is loaded before it is asked for: its own, and the one that stands in.
HOMES = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FleetStats:
    """Figures of now (`slots` to `adapters`), and since the start."""

    slots: int
    active: int
    waiting: int
    replicas: int
    replicas_open: int
    adapters: int
    requests: int
    retries: int
    failed: int
    cancelled: int
    adapter_loads: int
    adapter_unloads: int


class FleetLimits(TypedDict, total=False):
    """`streams` requests (64) run on each server, `queue` (256) wait for all of them together.

    `retries` (2) counts beyond one try on each server. `timeout` (60) is in seconds, for connecting and
    between two chunks. An adapter that is served no more (`hold`) is unloaded once nobody has used it for
    `linger` (30) seconds. `clock` tells seconds.
    """

    streams: int
    queue: int
    timeout: float
    retries: int
    linger: float
    clock: Callable[[], float]


class Fleet:
    """`urls` are the servers, `bringer` brings them adapters, `verify` looks at each when it is met. Used in
    one event loop."""

    def __init__(
        self,
        urls: Sequence[str],
        api_key: str = "",
        *,
        bringer: Bringer | None = None,
        verify: Verify | None = None,
        **limits: Unpack[FleetLimits],
    ) -> None:
        clock = limits.get("clock", time.monotonic)
        timeout = limits.get("timeout", 60.0)
        made = [Replica(ServerHttp(url, api_key, timeout), verify, clock) for url in urls]
        self.replicas = tuple({replica.name: replica for replica in made}.values())
        if not self.replicas:
            raise ConfigError(
                "engine=openai needs SENMON_ENGINE_URL", remedy="for example http://127.0.0.1:8001"
            )
        self._bringer = bringer or Given()
        self._streams = limits.get("streams", 64)
        self._queue = limits.get("queue", 256)
        self._attempts = limits.get("retries", 2) + len(self.replicas)
        self._linger = limits.get("linger", 30.0)
        self._clock = clock
        self._freed = asyncio.Condition()
        self._wanted: dict[str, Adapter] = {}
        self._coming: Counter[str] = Counter()
        self._tending: asyncio.Task[None] | None = None
        self._closed = False
        self._counts = dict.fromkeys(("requests", "retries", "failed", "cancelled"), 0)
        self._waiting = 0

    @property
    def closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        self._closed = True
        if self._tending is not None:
            self._tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tending
        await asyncio.gather(*(replica.http.close() for replica in self.replicas))
        async with self._freed:
            self._freed.notify_all()

    def stats(self) -> FleetStats:
        up = [replica for replica in self.replicas if replica.breaker.state != "open"]
        return FleetStats(
            slots=self._streams * len(up),
            active=sum(replica.active for replica in self.replicas),
            waiting=self._waiting,
            replicas=len(self.replicas),
            replicas_open=len(self.replicas) - len(up),
            adapters=len(self._wanted),
            adapter_loads=self._bringer.loads if isinstance(self._bringer, Loaded) else 0,
            adapter_unloads=self._bringer.unloads if isinstance(self._bringer, Loaded) else 0,
            **self._counts,
        )

    # --- requests

    async def objects(
        self, path: str, body: Mapping[str, Any], adapter: Adapter | None = None, *, base_model: str = ""
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The JSON objects of one streamed answer. The model is the adapter's name, else `base_model`, else
        the base that the server lists.

        Raises EngineBusy, EngineUnavailable, AdapterError, PromptTooLong, EngineError; after the first
        object EngineUnavailable or EngineError only.
        """
        self._counts["requests"] += 1
        try:
            async with contextlib.aclosing(self._tried(path, body, adapter, base_model)) as found:
                async for data in found:
                    yield data
        except (GeneratorExit, asyncio.CancelledError):
            self._counts["cancelled"] += 1
            raise
        except BaseException:
            self._counts["failed"] += 1
            raise

    async def _tried(
        self, path: str, body: Mapping[str, Any], adapter: Adapter | None, base_model: str
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        model = adapter_model(adapter) if adapter else ""
        tried: set[Replica] = set()
        for attempt in range(self._attempts):
            replica = await self._enter(model, tried)
            began = False
            try:
                async with self._one(replica, path, body, adapter, base_model) as found:
                    async for data in found:
                        began = began or speaks(data)
                        yield data
                return
            except (EngineUnavailable, EngineBusy, AdapterError) as error:
                if began:
                    raise _broken_off(error) from error
                tried.add(replica)
                await self._before_next(error, attempt, tried)

    @contextlib.asynccontextmanager
    async def _one(
        self, replica: Replica, path: str, body: Mapping[str, Any], adapter: Adapter | None, base_model: str
    ) -> AsyncGenerator[AsyncGenerator[Mapping[str, Any], None], None]:
        try:
            async with replica.using(adapter_model(adapter) if adapter else ""):
                stream = self._from(replica, path, body, adapter, base_model)
                async with contextlib.aclosing(stream) as found:
                    yield found
        finally:
            async with self._freed:
                self._freed.notify_all()

    async def _before_next(self, error: SenmonError, attempt: int, tried: set[Replica]) -> None:
        """Raises `error` when there is no use in another try; else waits for it."""
        others = [one for one in self.replicas if one not in tried and one.breaker.allows]
        final = not isinstance(error, EngineUnavailable)
        if self._closed or attempt + 1 >= self._attempts or (final and not others):
            raise error
        self._counts["retries"] += 1
        log.warning("a request is tried again: %s", error.message)
        if not others:
            tried.clear()
            await asyncio.sleep(_PAUSE * 2 ** min(attempt, 4))

    async def _enter(self, model: str, tried: set[Replica]) -> Replica:
        """A server with a place free; waits in the queue for one."""
        self._tend()
        while True:
            if self._closed:
                raise EngineUnavailable("the engine is closed")
            able = [replica for replica in self.replicas if replica.breaker.allows]
            if not able:
                raise self._none_left()
            fresh = [replica for replica in able if replica not in tried]
            replica = choose(model, fresh or able, limit=self._streams)
            if replica is not None:
                return replica
            await self._wait()

    async def _wait(self) -> None:
        if self._waiting >= self._queue:
            raise EngineBusy(
                f"{self._streams} requests are open on each model server and {self._waiting} wait",
                remedy="try again later, or add a model server",
            )
        self._waiting += 1
        try:
            async with self._freed:
                # A breaker that half-opens wakes nobody: so not for ever.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), 1.0)
        finally:
            self._waiting -= 1

    def _none_left(self) -> EngineUnavailable:
        faults = "; ".join(f"{replica.name}: {replica.fault}" for replica in self.replicas)
        return EngineUnavailable(
            f"no model server can be used just now ({faults})",
            remedy="check that they run, and SENMON_ENGINE_URL",
        )

    async def _from(
        self, replica: Replica, path: str, body: Mapping[str, Any], adapter: Adapter | None, base_model: str
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        if replica.verify is not None:
            await replica.meet()
        if adapter is None:
            name = base_model or await self._base(replica)
            async with contextlib.aclosing(
                whole(replica.http.objects(path, {**body, "model": name}, ""))
            ) as found:
                async for data in found:
                    yield data
            return
        for last in (False, True):
            await self._bringer.bring(replica, adapter)
            asked = {**body, "model": adapter_model(adapter)}
            try:
                async with contextlib.aclosing(
                    whole(replica.http.objects(path, asked, adapter.label))
                ) as found:
                    async for data in found:
                        _check_model(data, asked["model"], replica)
                        yield data
                return
            except AdapterError:
                if last or not await self._bringer.missing(replica, adapter):
                    raise

    async def _base(self, replica: Replica) -> str:
        models = await replica.meet()
        if not models.bases:
            raise EngineUnavailable(f"{replica.name} lists no base model", remedy="set SENMON_ENGINE_MODEL")
        return models.bases[0]

    async def context(self) -> int:
        """Tokens that a prompt and its reply may have together, on any server that was met; 0: unknown."""
        self._tend()
        fault: SenmonError | None = None
        for replica in self.replicas:
            if replica.models is None and replica.breaker.allows and not self._known():
                try:
                    await replica.meet()
                except EngineUnavailable as error:
                    replica.failed(error.message)
                    fault = error
        if not (known := self._known()):
            raise fault or self._none_left()
        return min(known)

    def _known(self) -> list[int]:
        return [replica.models.context for replica in self.replicas if replica.models is not None]

    # --- adapters

    async def hold(self, adapters: Iterable[Adapter]) -> None:
        """These adapters are served from now on: they are loaded where they belong, before this returns.
        Others are unloaded once their last request has ended.

        Raises AdapterError when the servers that answer refuse one: then nothing changes. A server that does
        not answer gets its adapters when it is back.
        """
        wanted = {adapter_model(adapter): adapter for adapter in adapters}
        self._tend()
        self._coming.update(wanted.keys())
        try:
            await asyncio.gather(*(self._bring_home(model, adapter) for model, adapter in wanted.items()))
        finally:
            self._coming.subtract(wanted.keys())
        now = self._clock()
        for replica in self.replicas:
            replica.used.update(dict.fromkeys(self._wanted.keys() - wanted.keys(), now))
        self._wanted = wanted

    async def _bring_home(self, model: str, adapter: Adapter) -> None:
        homes = ranked(model, [one for one in self.replicas if one.breaker.allows])[:HOMES]
        found = await asyncio.gather(*(self._bring(home, adapter) for home in homes))
        refusals = [fault for fault in found if isinstance(fault, AdapterError)]
        if refusals and not any(fault is None for fault in found):
            raise refusals[0]

    async def _bring(self, replica: Replica, adapter: Adapter) -> SenmonError | None:
        try:
            await self._bringer.bring(replica, adapter)
        except EngineUnavailable as error:
            replica.failed(error.message)
            return error
        except (AdapterError, EngineError) as error:
            log.warning("%s", error.message)
            return error
        return None

    # --- tending

    def _tend(self) -> None:
        if self._tending is None and not self._closed:
            self._tending = asyncio.create_task(self._tend_on(), name="senmon-fleet")

    async def _tend_on(self) -> None:
        looked = self._clock()
        while True:
            await asyncio.sleep(_ROUND)
            try:
                due = self._clock() - looked >= _LOOK_EVERY
                looked = self._clock() if due else looked
                await asyncio.gather(*(self._tend_to(replica, due) for replica in self.replicas))
            except SenmonError as error:
                log.warning("%s", error.message)
            except Exception:
                log.exception("tending the model servers failed; it goes on")

    async def _tend_to(self, replica: Replica, due: bool) -> None:
        away = replica.breaker.state != "closed" or replica.models is None
        if due or away:
            if not await replica.look():
                return
            if away:
                await replica.meet()
                await self._return(replica)
        await self._retire(replica)

    async def _return(self, replica: Replica) -> None:
        """It may have been started anew: the adapters that belong to it are brought before requests come."""
        for model, adapter in list(self._wanted.items()):
            if replica in ranked(model, self.replicas)[:HOMES]:
                await self._bring(replica, adapter)

    async def _retire(self, replica: Replica) -> None:
        for model in sorted(replica.ours):
            idle = self._clock() - replica.used.get(model, 0.0)
            if self._unused(replica, model) and idle >= self._linger:
                await self._bringer.take(replica, model, partial(self._unused, replica, model))

    def _unused(self, replica: Replica, model: str) -> bool:
        return model not in self._wanted and not self._coming[model] and not replica.users[model]


def _check_model(data: Mapping[str, Any], asked: str, replica: Replica) -> None:
    said = data.get("model")
    if said and said != asked:
        raise EngineError(
            f"{replica.name} answered as {str(said)[:80]!r} where {asked!r} was asked",
            remedy="let senmon reach vLLM itself, without a gateway that renames models",
        )


def _broken_off(error: SenmonError) -> EngineUnavailable:
    message = f"the model server broke off its answer: {error.message}"
    return EngineUnavailable(message, remedy=error.remedy)
