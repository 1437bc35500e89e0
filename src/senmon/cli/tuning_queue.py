"""Several packs tuned side by side: one process each, a table of where they stand, and it goes on."""

from __future__ import annotations

import asyncio
import hashlib
import json as jsonlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from senmon.cli.output import console, emit_line, errors
from senmon.tuner import hear_interrupts

if TYPE_CHECKING:
    from senmon.workspace import Workspace

#: A line that a tuning prints: a verdict holds a report's figures.
LINE_BYTES = 16 * 1024 * 1024
#: What an interrupted tuning has for its checkpoint.
STOP_SECONDS = 30.0
FINISHED = ("passed", "not passed", "failed")


@dataclass(slots=True)
class Entry:
    """Where one pack stands. `state`: waiting, tuning, judging, passed, not passed, failed, stopped."""

    pack: str
    digest: str
    state: str = "waiting"
    note: str = ""
    step: int = 0
    steps: int = 0
    eta: float | None = None
    kept: bool = False

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


class Queue:
    """Packs to tune with the same options. Its file remembers what is done until all of it is."""

    def __init__(
        self, workspace: Workspace, packs: Sequence[str], options: Sequence[str], *, json: bool
    ) -> None:
        self._options, self._json = tuple(options), json
        settings = workspace.settings
        roots = ",".join(str(root.absolute()) for root in settings.packs)
        home = str(workspace.home.absolute())
        self._environment = {**os.environ, "SENMON_HOME": home, "SENMON_PACKS": roots}
        self.entries = [Entry(name, _digest(workspace, name)) for name in dict.fromkeys(packs)]
        key = jsonlib.dumps([[entry.pack for entry in self.entries], self._options])
        self.file = workspace.home / "runs" / f"queue-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"
        self.command: tuple[str, ...] = (sys.executable, "-m", "senmon.cli.main", "tune")
        self._children: set[asyncio.subprocess.Process] = set()

    async def run(self, parallel: int) -> bool:
        """Tune what is not done yet. True when every pack passed. Ctrl-C leaves checkpoints and the file.

        Raises TuningInProgress when the same queue runs already.
        """
        from senmon.adapters.durable import try_locked
        from senmon.errors import TuningInProgress

        with try_locked(self.file.parent, f".{self.file.stem}.lock") as free:
            if not free:
                raise TuningInProgress("this queue is being worked off already", remedy="wait for it")
            self._remember()
            turn = asyncio.Semaphore(parallel)
            with Live(self.table(), console=errors, transient=True, refresh_per_second=2) as live:
                live.auto_refresh = not self._json
                shown = asyncio.ensure_future(self._show(live))
                try:
                    await asyncio.gather(*(self._one(entry, turn) for entry in self.entries))
                finally:
                    shown.cancel()
                    await self._stop()
                    self._save()
            self.file.unlink(missing_ok=True)
        self._tell_all()
        return all(entry.state == "passed" for entry in self.entries)

    async def _one(self, entry: Entry, turn: asyncio.Semaphore) -> None:
        if entry.finished:
            return
        async with turn:
            entry.state = "tuning"
            began = time.monotonic()
            try:
                await self._tune(entry)
            except OSError as error:
                entry.state, entry.note = "failed", f"could not be started: {error}"
            entry.eta = None
            entry.note = entry.note or f"{time.monotonic() - began:.0f} s"
            self._save()

    async def _tune(self, entry: Entry) -> None:
        child = await asyncio.create_subprocess_exec(
            *self.command, entry.pack, "--json", *self._options,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self._environment, limit=LINE_BYTES, start_new_session=True, preexec_fn=hear_interrupts,
        )  # fmt: skip
        self._children.add(child)
        try:
            assert child.stdout is not None and child.stderr is not None
            wrong = asyncio.ensure_future(_tail(child.stderr))
            async for line in child.stdout:
                self._hear(entry, line)
            code, words = await child.wait(), await wrong
        finally:
            if child.returncode is not None:
                self._children.discard(child)
        if not entry.finished:
            entry.state = "failed"
            entry.note = words or f"ended with code {code}"

    def _hear(self, entry: Entry, line: bytes) -> None:
        try:
            said = jsonlib.loads(line)
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        if self._json:
            emit_line({"pack": entry.pack, **said})
        if said.get("event") == "progress":
            entry.step, entry.steps, entry.eta = said["step"], said["steps"], said["eta_seconds"] or entry.eta
        elif said.get("event") == "evaluation":
            entry.state, entry.step, entry.steps, entry.eta = "judging", said["done"], said["total"], None
        elif said.get("event") == "result":
            entry.state = "passed" if said["passed"] else "not passed"
            entry.note = f"{said['version'][:12]}, {'promoted' if said['promoted'] else 'not promoted'}"
        elif isinstance(said.get("error"), dict):
            entry.state, entry.note = "failed", f"{said['error'].get('code')}: {said['error'].get('message')}"

    async def _show(self, live: Live) -> None:
        while True:
            live.update(self.table())
            await asyncio.sleep(0.5)

    async def _stop(self) -> None:
        """After Ctrl-C: each child writes its checkpoint."""
        for child in list(self._children):
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.send_signal(signal.SIGINT)
        for child in list(self._children):
            try:
                await asyncio.wait_for(child.wait(), STOP_SECONDS)
            except TimeoutError:
                child.kill()
                await child.wait()
        for entry in self.entries:
            if not entry.finished:
                entry.state = "stopped" if entry.state in ("tuning", "judging") else entry.state

    def _remember(self) -> None:
        """What an interrupted run of this queue has done with the packs as they are now."""
        try:
            done = jsonlib.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if not isinstance(done, dict):
            return
        for entry in self.entries:
            known = done.get(entry.pack)
            if not isinstance(known, dict):
                continue
            same = known.get("digest") == entry.digest != ""
            if same and known.get("state") in ("passed", "not passed"):
                entry.state, entry.note, entry.kept = known["state"], str(known.get("note", "")), True

    def _save(self) -> None:
        from senmon.adapters.durable import write_json

        rows = {e.pack: {"digest": e.digest, "state": e.state, "note": e.note} for e in self.entries}
        with suppress(OSError):  # a full disk costs the memory of the queue, not the tunings
            write_json(self.file, rows)

    def _tell_all(self) -> None:
        if self._json:
            rows: list[dict[str, Any]] = [
                {"pack": entry.pack, "state": entry.state, "note": entry.note} for entry in self.entries
            ]
            emit_line({"event": "queue", "packs": rows})
        else:
            console.print(self.table())

    def table(self) -> Table:
        table = Table("pack", "state", "step", "left", "")
        for entry in self.entries:
            steps = f"{entry.step}/{entry.steps}" if entry.steps and not entry.finished else ""
            left = f"{int(entry.eta) // 60}:{int(entry.eta) % 60:02d}" if entry.eta else ""
            note = f"{entry.note} (earlier)" if entry.kept else entry.note
            table.add_row(escape(entry.pack), entry.state, steps, left, escape(note))
        return table


def _digest(workspace: Workspace, name: str) -> str:
    """Of the pack's files; empty for a pack that can't be loaded: its own tuning says why."""
    from senmon.errors import SenmonError

    try:
        return workspace.pack(name).digest
    except SenmonError:
        return ""


async def _tail(stream: asyncio.StreamReader) -> str:
    """The last words on stderr, without the frame."""
    last = ""
    while chunk := await stream.read(65536):
        last = (last + chunk.decode(errors="replace"))[-4000:]
    lines = [line.strip() for line in last.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
