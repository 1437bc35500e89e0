"""What the console needs of the workspace beyond what answers visitors, and work that may take long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from fastapi import Request

from senmon.adapters import AdapterStore
from senmon.bases.catalog import BaseFiles
from senmon.errors import PackNotFound
from senmon.packs.pack import Pack
from senmon.server.console.session import server_of
from senmon.server.ports import ServedPack
from senmon.store.store import Store

if TYPE_CHECKING:
    from senmon.embedding import Encoder

T = TypeVar("T")
RUN = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{1,16}")


class Library(Protocol):
    """Of the workspace."""

    @property
    def encoder(self) -> Encoder | None: ...
    def base_for(self, pack: Pack) -> BaseFiles: ...


def library_of(request: Request) -> Library:
    return cast(Library, server_of(request).workspace)


def home_of(request: Request) -> Path:
    return server_of(request).workspace.settings.home.expanduser().absolute()


def adapters_of(request: Request) -> AdapterStore:
    return AdapterStore(home_of(request))


def packs_of(request: Request) -> Mapping[str, ServedPack]:
    return server_of(request).workspace.catalog.packs


def pack_of(request: Request, name: str) -> Pack:
    """Raises PackNotFound."""
    if name not in packs_of(request):
        raise PackNotFound("this pack is not served", remedy="choose another")
    return packs_of(request)[name].pack


async def beside(request: Request, work: Callable[[Store], Awaitable[T]]) -> T:
    """What computes for seconds, in a thread with a store of its own: visitors are answered meanwhile."""
    settings = server_of(request).workspace.settings
    target: Any = settings.database_url or home_of(request) / "senmon.db"

    async def opened() -> T:
        store = await Store.open(target, serving=False)
        try:
            return await work(store)
        finally:
            await store.close()

    return await asyncio.to_thread(lambda: asyncio.run(opened()))
