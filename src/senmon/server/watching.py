"""The server watches what is new, and takes it back by itself when people are served worse."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

from senmon.adapters import AdapterStore
from senmon.errors import SenmonError
from senmon.improvement.course import WATCHED, read_course
from senmon.improvement.watching import judged
from senmon.store.store import Store

#: Between looks. A look reads the newest few hundred exchanges, where there is something to watch.
LOOK_SECONDS = 30.0
#: How long one of several servers has a pack's look to itself.
CLAIM = timedelta(minutes=5)

log = logging.getLogger(__name__)


async def watch(store: Store, home: Path, *, every: float = LOOK_SECONDS) -> None:
    """Until cancelled. Of several servers one looks."""
    adapters = AdapterStore(home)
    while True:
        await asyncio.sleep(every)
        for folder in sorted((home / "improve").glob("*/state.json")):
            try:
                await _look_once(store, adapters, home, folder.parent.name, every)
            except SenmonError as error:
                log.error("%s could not be watched: %s", folder.parent.name, error.code)


async def _look_once(store: Store, adapters: AdapterStore, home: Path, pack: str, every: float) -> None:
    if not store.shared:
        await _look(store, adapters, home, pack)
    elif await store.duties.claim(duty := f"watch {pack}"[:64], CLAIM):
        await _look(store, adapters, home, pack)
        # A little less, so that whoever looks next finds it due.
        await store.duties.done(duty, timedelta(seconds=every * 0.9))


async def _look(store: Store, adapters: AdapterStore, home: Path, pack: str) -> None:
    course = read_course(home, pack)
    if course is None or course.phase not in WATCHED:
        return
    _, after = await judged(store, adapters, home, course)
    if after.phase != course.phase:
        log.info("%s@%s is %s", pack, (course.version or "")[:12], after.phase)
