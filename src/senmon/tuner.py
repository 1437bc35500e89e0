"""Tunes packs in the background of a server: one at a time, as a separate low-priority process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from senmon.settings import Settings

NICENESS = 10
STOP_SECONDS = 15.0

log = logging.getLogger(__name__)


class BackgroundTuner:
    """Runs `senmon tune PACK` for each named pack. A stop leaves a checkpoint; the next start resumes."""

    def __init__(self, settings: Settings, home: Path, on_change: Callable[[str, str], None]) -> None:
        self._settings = settings
        self._log_file = home / "runs" / "background.log"
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def run(self, packs: Sequence[str]) -> None:
        """Tune `packs` in order; tell `on_change(pack, "tuning" | "tuned" | "failed")`."""
        for name in packs:
            if self._stopping:
                return
            self._on_change(name, "tuning")
            code = await self._tune(name)
            if not self._stopping:
                self._on_change(name, "tuned" if code == 0 else "failed")

    async def _tune(self, name: str) -> int:
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "senmon.cli.main", "tune", name, "--json",
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                env=self._environment(), preexec_fn=_lower_priority, start_new_session=True,
            )  # fmt: skip
            return await self._process.wait()

    def _environment(self) -> dict[str, str]:
        """The child must see the same packs and state as this process, whatever came by option."""
        settings = self._settings
        roots = ",".join(str(root.absolute()) for root in settings.packs)
        return {**os.environ, "SENMON_HOME": str(settings.home.absolute()), "SENMON_PACKS": roots}

    async def stop(self) -> None:
        """Interrupt the tuning under way and wait until its checkpoint is written."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("the background tuning did not stop in %.0f s and is killed", STOP_SECONDS)
            process.kill()
            await process.wait()


def hear_interrupts() -> None:
    """In a child: SIGINT interrupts it, though this process may have been started with `&` by a shell that
    makes such processes deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _lower_priority() -> None:
    os.nice(NICENESS)
    hear_interrupts()
