"""From the worker thread to the coroutine that waits for a reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from senmon.engines.protocol import Chunk
from senmon.errors import SenmonError

Letter = Chunk | SenmonError


class Outbox:
    """Made in a coroutine, written by the worker through `deliver`, read in that coroutine."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        #: Set by the reader when nobody waits any more; the worker looks before each step.
        self.cancelled = False
        self._letters: asyncio.Queue[Letter] = asyncio.Queue()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Until the chunk with `finish`. Raises what the worker sent instead."""
        while True:
            letter = await self._letters.get()
            if isinstance(letter, SenmonError):
                raise letter
            yield letter
            if letter.finish is not None:
                return

    def _put(self, letter: Letter) -> None:
        self._letters.put_nowait(letter)


def deliver(mail: Iterable[tuple[Outbox, Letter]]) -> None:
    """Hands a step's letters over, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Outbox, Letter]]] = {}
    for outbox, letter in mail:
        by_loop.setdefault(outbox.loop, []).append((outbox, letter))
    for loop, letters in by_loop.items():
        try:
            loop.call_soon_threadsafe(_put_all, letters)
        except RuntimeError:  # the loop is closed: nobody reads
            for outbox, _ in letters:
                outbox.cancelled = True


def _put_all(letters: Iterable[tuple[Outbox, Letter]]) -> None:
    for outbox, letter in letters:
        outbox._put(letter)
