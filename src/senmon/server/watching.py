"""The server watches what is new, and takes it back by itself when people are served worse."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from senmon.adapters import AdapterStore
from senmon.errors import SenmonError
from senmon.improvement.course import WATCHED, read_course
from senmon.improvement.watching import judged
from senmon.store.store import Store

#: Between looks. A look reads the newest few hundred exchanges, where there is something to watch.
LOOK_SECONDS = 30.0

log = logging.getLogger(__name__)


async def watch(store: Store, home: Path, *, every: float = LOOK_SECONDS) -> None:
    """Until cancelled."""
    adapters = AdapterStore(home)
    while True:
        await asyncio.sleep(every)
        for folder in sorted((home / "improve").glob("*/state.json")):
            try:
                await _look(store, adapters, home, folder.parent.name)
            except SenmonError as error:
                log.error("%s could not be watched: %s", folder.parent.name, error.code)


async def _look(store: Store, adapters: AdapterStore, home: Path, pack: str) -> None:
    course = read_course(home, pack)
    if course is None or course.phase not in WATCHED:
        return
    _, after = await judged(store, adapters, home, course)
    if after.phase != course.phase:
        log.info("%s@%s is %s", pack, (course.version or "")[:12], after.phase)
