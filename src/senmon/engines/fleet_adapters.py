"""How adapters come to a model server: the operator brings them, senmon loads them, or vLLM finds them."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import httpx

from senmon.adapters import Adapter, durable
from senmon.adapters.folder import CONFIG, WEIGHTS, canonical_config, read_config
from senmon.engines.fleet_names import adapter_model, check_servable
from senmon.engines.fleet_replica import Replica
from senmon.errors import AdapterError, AdapterNotFound, EngineUnavailable

LoraWay = Literal["given", "load", "resolver"]
_UPDATING = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"

log = logging.getLogger(__name__)


class Bringer(Protocol):
    """Brings adapters to servers and takes them away."""

    async def bring(self, replica: Replica, adapter: Adapter) -> None:
        """Afterwards the server has it. Raises AdapterError, EngineUnavailable."""

    async def missing(self, replica: Replica, adapter: Adapter) -> bool:
        """The server says that it has it not; True when asking again may help."""

    async def take(self, replica: Replica, model: str, unused: Callable[[], bool]) -> None:
        """Nobody uses it any more, if `unused` still says so."""


class Given:
    """The operator loads adapters. What a server does not list is an error: many would answer with the
    base model instead."""

    async def bring(self, replica: Replica, adapter: Adapter) -> None:
        model = adapter_model(adapter)
        if model in replica.held:
            return
        replica.models = None
        models = await replica.meet()
        if models.told and model not in models.names:
            raise AdapterNotFound(
                f"adapter {adapter.label}: {replica.name} has no model {model!r}",
                remedy=f"load {adapter.path.name[:12]} there under this name, or set SENMON_ENGINE_LORA=load",
            )
        replica.held.add(model)

    async def missing(self, replica: Replica, adapter: Adapter) -> bool:
        replica.held.discard(adapter_model(adapter))
        return False

    async def take(self, replica: Replica, model: str, unused: Callable[[], bool]) -> None:
        """It is the operator's."""


class Loaded:
    """vLLM's `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`. `seen_at` is the store's folder as the
    servers see it (empty: as this process does)."""

    def __init__(self, store: Path | None = None, seen_at: str = "") -> None:
        self._store = store
        self._seen_at = seen_at
        self.loads = 0
        self.unloads = 0

    async def bring(self, replica: Replica, adapter: Adapter) -> None:
        model = adapter_model(adapter)
        # Whoever loaded it: a former process of this server, or one beside it.
        replica.ours.add(model)
        if model in replica.held:
            return
        async with replica.lock(model):
            await replica.meet()
            if model in replica.held:
                return
            await asyncio.to_thread(check_servable, adapter)
            await self._load(replica, adapter, model)
            replica.held.add(model)

    async def _load(self, replica: Replica, adapter: Adapter, model: str) -> None:
        body = {"lora_name": model, "lora_path": self._path(adapter)}
        answer = await replica.http.post("/v1/load_lora_adapter", body)
        said = f"{replica.name} answered {answer.status_code}: {replica.http.said(answer.text)}"
        if answer.status_code == httpx.codes.OK:
            self.loads += 1
            log.info("adapter %s loaded on %s", model, replica.name)
        elif answer.status_code == httpx.codes.BAD_REQUEST and "already" in answer.text:
            log.debug("adapter %s was loaded on %s", model, replica.name)
        elif answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            raise AdapterNotFound(f"adapter {adapter.label}: {said}", remedy=_remedy(answer))
        elif answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise AdapterError(f"adapter {adapter.label}: {said}", remedy="see the model server's log")
        elif answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise EngineUnavailable(said, remedy="check the engine's API key")
        else:
            raise AdapterError(
                f"adapter {adapter.label}: {said}",
                remedy="start vLLM with --enable-lora and a --max-lora-rank of the adapter's rank or more",
            )

    def _path(self, adapter: Adapter) -> str:
        if not self._seen_at or self._store is None:
            return str(adapter.path.absolute())
        try:
            inside = adapter.path.absolute().relative_to(self._store.absolute())
        except ValueError:
            return str(adapter.path.absolute())
        return f"{self._seen_at.rstrip('/')}/{inside.as_posix()}"

    async def missing(self, replica: Replica, adapter: Adapter) -> bool:
        """It was started anew since; senmon loads it again."""
        replica.forget()
        return True

    async def take(self, replica: Replica, model: str, unused: Callable[[], bool]) -> None:
        async with replica.lock(model):
            if not unused():  # somebody came while another change of it was under way
                return
            replica.held.discard(model)
            replica.ours.discard(model)
            answer = await replica.http.post("/v1/unload_lora_adapter", {"lora_name": model})
            if answer.status_code == httpx.codes.OK:
                self.unloads += 1
                log.info("adapter %s unloaded from %s", model, replica.name)


class Resolved:
    """vLLM's filesystem resolver: `folder/<name>/` holds what vLLM looks for when it is asked for <name>."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def bring(self, replica: Replica, adapter: Adapter) -> None:
        root = (await replica.meet()).root
        await asyncio.to_thread(export, adapter, self._folder, root)

    async def missing(self, replica: Replica, adapter: Adapter) -> bool:
        model = adapter_model(adapter)
        raise AdapterNotFound(
            f"adapter {adapter.label}: {replica.name} does not find {model!r}",
            remedy="start vLLM with VLLM_PLUGINS=lora_filesystem_resolver and VLLM_LORA_RESOLVER_CACHE_DIR, "
            f"which must be {self._folder} as that server sees it",
        )

    async def take(self, replica: Replica, model: str, unused: Callable[[], bool]) -> None:
        """vLLM drops what is used least by itself."""


def export(adapter: Adapter, folder: Path, base_name: str) -> Path:
    """`folder/<name>/` with the weights and the config that vLLM's resolver wants: its base must be named
    as vLLM's `--model` is (`base_name`). Nothing is written when it is there. Raises AdapterError."""
    final = folder / adapter_model(adapter)
    config = canonical_config(read_config(adapter.path), base=base_name, revision=None)
    if (final / WEIGHTS).is_file() and read_config(final) == config:
        return final
    check_servable(adapter)
    try:
        with durable.temporary_folder(folder) as temporary:
            durable.write_json(temporary / CONFIG, config)
            _copy(adapter.path / WEIGHTS, temporary / WEIGHTS)
            durable.install_folder(temporary, final)
    except OSError as error:
        raise AdapterError(
            f"{final}: can't be written ({error})", remedy="make room, or mend its rights"
        ) from error
    return final


def _copy(source: Path, target: Path) -> None:
    """A second name for the same bytes where the disk allows it: versions never change."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _remedy(answer: httpx.Response) -> str:
    if "Not Found" in answer.text and "adapter" not in answer.text:
        return f"start vLLM with {_UPDATING}=True, or set SENMON_ENGINE_LORA=resolver"
    return (
        "that server must see the adapters' folder: mount SENMON_HOME/adapters there, and set "
        "SENMON_ENGINE_LORA_PATH to where it lies"
    )
