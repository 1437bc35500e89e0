"""The state as commands use it, beside a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.store.store import Store

T = TypeVar("T")


def home_of(settings: Settings) -> Path:
    return settings.home.expanduser().absolute()


def with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """What `work` gives, with the store open. A server that runs meanwhile is not disturbed."""
    return asyncio.run(_with_store(settings, work))


async def _with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    from senmon.store.store import Store

    home = home_of(settings)
    home.mkdir(parents=True, exist_ok=True)
    store = await Store.open(settings.database_url or home / "senmon.db", serving=False)
    try:
        return await work(store)
    finally:
        await store.close()
