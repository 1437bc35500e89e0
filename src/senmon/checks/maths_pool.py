"""A small pool of worker processes that answer sympy's questions, or are killed."""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

ANSWER_SECONDS = 2.0
START_SECONDS = 15.0
#: A worker is replaced after this many answers, so that its caches and its processor time stay bounded.
ANSWERS_PER_WORKER = 500


class _SilentError(Exception):
    """The worker died or did not answer in time."""


class _Worker:
    """One process. Its replies are read by a thread, which works alike on every platform."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "senmon.checks.maths_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self.answers = 0
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, name="maths-worker-reader", daemon=True).start()
        try:
            self._line(START_SECONDS)
        except _SilentError:
            self.kill()
            raise

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def _line(self, seconds: float) -> str:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise _SilentError from None
        if not line:
            raise _SilentError
        return line

    def ask(self, task: str, texts: tuple[str, ...], letter: str, seconds: float) -> bool | None:
        self.answers += 1
        request = json.dumps({"id": self.answers, "task": task, "texts": texts, "letter": letter})
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            raise _SilentError from None
        verdict = json.loads(self._line(seconds))["verdict"]
        return verdict if isinstance(verdict, bool) else None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except OSError:
                    continue


@dataclass
class WorkerPool:
    """At most `size` workers, started when first needed. Safe from any thread.

    `ask` blocks for `ANSWER_SECONDS` and, once per worker, for its start. None means: not known.
    """

    size: int = 2
    _idle: list[_Worker] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _slots: threading.Semaphore = field(init=False)
    _known: dict[tuple[str, tuple[str, ...], str], bool | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots = threading.Semaphore(self.size)

    def ask(
        self, task: str, texts: tuple[str, ...], letter: str = "", seconds: float = ANSWER_SECONDS
    ) -> bool | None:
        key = (task, texts, letter)
        with self._lock:
            if key in self._known:
                return self._known[key]
        deadline = time.monotonic() + seconds
        if not self._slots.acquire(timeout=seconds):
            return None
        try:
            verdict = self._ask(task, texts, letter, max(0.1, deadline - time.monotonic()))
        finally:
            self._slots.release()
        with self._lock:
            if len(self._known) >= 4096:
                self._known.clear()
            self._known[key] = verdict
        return verdict

    def _ask(self, task: str, texts: tuple[str, ...], letter: str, seconds: float) -> bool | None:
        worker: _Worker | None = None
        try:
            worker = self._take()
            verdict = worker.ask(task, texts, letter, seconds)
        except (_SilentError, OSError):
            if worker is not None:
                worker.kill()
            return None
        self._give(worker)
        return verdict

    def _take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Worker()

    def _give(self, worker: _Worker) -> None:
        if worker.answers >= ANSWERS_PER_WORKER:
            worker.kill()
            return
        with self._lock:
            self._idle.append(worker)

    @property
    def idle_processes(self) -> tuple[int, ...]:
        """Process ids of the workers that wait."""
        with self._lock:
            return tuple(worker.process.pid for worker in self._idle)

    def forget(self) -> None:
        """In a forked child: the workers belong to the parent, so do the locks that it may hold."""
        self._idle, self._lock = [], threading.Lock()
        self._slots = threading.Semaphore(self.size)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()


_POOL = WorkerPool()
atexit.register(_POOL.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)


def shared_pool() -> WorkerPool:
    """The pool of this process; a forked child starts workers of its own."""
    return _POOL
