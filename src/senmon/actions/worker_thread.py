"""Runs a pack's code outside the event loop, in a thread that can't keep the process alive."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

from senmon.errors import ActionFailed

#: Calls at once, timed-out ones that still run included.
MAX_THREADS = 32


class WorkerThreads:
    """A daemon thread per call.

    A thread can't be killed: a call that never returns keeps its thread. So they are counted, and calls
    beyond the bound fail at once. A shared pool would be starved, and would block the exit of the process.
    """

    def __init__(self, limit: int = MAX_THREADS) -> None:
        self._free = threading.BoundedSemaphore(limit)

    async def call(self, function: Callable[[], Any]) -> Any:
        """The function's result, or what it raised. Raises ActionFailed when all threads are taken."""
        if not self._free.acquire(blocking=False):
            raise ActionFailed("Too many actions are running.", remedy="try again in a moment")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=self._work, args=(context, function, loop, future), name="senmon-action", daemon=True
        )
        thread.start()
        return await future

    def _work(
        self,
        context: contextvars.Context,
        function: Callable[[], Any],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
    ) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = context.run(function)
        except BaseException as caught:  # a pack's SystemExit must not end in a silent thread
            error = caught
        finally:
            self._free.release()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:
        future.set_exception(RuntimeError(f"the action ended with {type(error).__name__}"))
