"""The worker thread: a bounded queue in front of the batch, and figures about both."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch

from senmon.engines.local_batch import Batch
from senmon.engines.local_outbox import Letter, Outbox, deliver
from senmon.engines.local_queue import FairQueue, Party
from senmon.engines.local_row import Job, Row
from senmon.errors import EngineBusy, EngineUnavailable

#: Seconds that the rate of tokens and of finished requests looks back.
_WINDOW = 30.0
_RETRY_SECONDS = (0.5, 60.0)


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Figures since the start; `tokens_per_second` over the last half minute, all rows together."""

    slots: int = 0
    active: int = 0
    waiting: int = 0
    requests: int = 0
    failed: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    tokens_per_second: float = 0.0
    prefix_blocks: int = 0
    adapters: int = 0
    adapter_hits: int = 0
    adapter_loads: int = 0
    adapter_evictions: int = 0


class Scheduler:
    """Takes jobs from any thread, runs them in its own. Never blocks its callers on the model."""

    def __init__(
        self,
        make_batch: Callable[[Scheduler], Batch],
        make_row: Callable[[Job], Row],
        *,
        slots: int,
        queue: int,
    ) -> None:
        self._make_row = make_row
        self._slots = slots
        self._limit = slots + queue
        self._turn = threading.Condition()
        self._waiting = FairQueue(self._limit)
        self._closing = False
        self._mail: list[tuple[Outbox, Letter]] = []
        self._counts = dict.fromkeys(
            ("requests", "failed", "cancelled", "prompt_tokens", "cached_tokens", "completion_tokens"), 0
        )
        self._recent: deque[tuple[float, int, int]] = deque()
        self._batch = make_batch(self)
        self._thread = threading.Thread(target=self._run, name="senmon-engine", daemon=True)

    def start(self, threads: int | None) -> None:
        self._threads = threads
        self._thread.start()
        atexit.register(_close_at_exit, weakref.ref(self))

    def take_place(self, party: Party = ()) -> None:
        """Reserves a place for a request that is being prepared. Raises EngineBusy, EngineUnavailable."""
        with self._turn:
            if self._closing:
                raise EngineUnavailable("the engine is closed")
            if not self._waiting.enter(party):
                raise EngineBusy(
                    f"{self._waiting.places} requests are running or waiting",
                    retry_after=self._retry_after(),
                    remedy="try again later, or raise the engine's queue",
                )

    def give_place_back(self, party: Party = ()) -> None:
        with self._turn:
            self._waiting.leave(party)

    def submit(self, job: Job) -> None:
        """Queues a job whose place was taken; the place is given back when it ends. EngineUnavailable."""
        row = self._make_row(job)
        with self._turn:
            if self._closing:
                raise EngineUnavailable("the engine is closed")
            self._waiting.put(row)
            self._counts["requests"] += 1
            self._turn.notify()

    def close(self, timeout: float = 10.0) -> None:
        """Ends everything with EngineUnavailable. Waits for the running step, `timeout` seconds at most."""
        with self._turn:
            self._closing = True
            self._turn.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def stats(self) -> EngineStats:
        with self._turn:
            active = len(self._batch)
            tokens, _, seconds = self._rates()
            return EngineStats(
                slots=self._slots,
                active=active,
                waiting=len(self._waiting),
                tokens_per_second=round(tokens / seconds, 2),
                **self._counts,
            )

    def send(self, outbox: Outbox, letter: Letter) -> None:
        """For the batch: goes out at the end of the step."""
        self._mail.append((outbox, letter))

    def ended(self, row: Row) -> None:
        """For the batch: this row has left."""
        with self._turn:
            self._waiting.ended(row)
            self._counts["failed"] += row.failed
            self._counts["cancelled"] += row.job.outbox.cancelled
            self._counts["prompt_tokens"] += len(row.job.ids)
            self._counts["cached_tokens"] += row.cached
            self._counts["completion_tokens"] += row.written
            self._recent.append((time.monotonic(), 0, 1))

    def _next_row(self) -> Row | None:
        with self._turn:
            return self._waiting.next()

    def _run(self) -> None:
        if self._threads:
            torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                while self._wait():
                    self._step()
        finally:
            self._end()

    def _wait(self) -> bool:
        """Until there is work; False when the engine closes."""
        with self._turn:
            if self._closing:
                return False
            if len(self._waiting) or len(self._batch):
                return True
        self._batch.rest()
        with self._turn:
            while not (len(self._waiting) or self._closing):
                self._turn.wait()
            return not self._closing

    def _step(self) -> None:
        try:
            self._drop_cancelled_waiting()
            written = self._batch.step(self._next_row)
            with self._turn:
                self._recent.append((time.monotonic(), written, 0))
        except Exception as error:  # the loop must outlive any fault of a pass
            self._batch.fail(error)
        self._post()

    def _post(self) -> None:
        mail, self._mail = self._mail, []
        deliver(mail)

    def _drop_cancelled_waiting(self) -> None:
        with self._turn:
            gone = self._waiting.take(lambda row: row.job.outbox.cancelled)
        for row in gone:
            self.ended(row)

    def _end(self) -> None:
        with self._turn:
            self._closing = True
            waiting = self._waiting.take(lambda row: True)
        closed = EngineUnavailable("the engine was closed while this reply was being made")
        self._batch.fail(closed)
        for row in waiting:
            self.send(row.job.outbox, closed)
            row.failed = True
            self.ended(row)
        self._post()

    def _rates(self) -> tuple[int, int, float]:
        """Tokens and finished requests in the window, and its length in seconds."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        seconds = max(now - self._recent[0][0], 0.1) if self._recent else _WINDOW
        return sum(one[1] for one in self._recent), sum(one[2] for one in self._recent), seconds

    def _retry_after(self) -> float:
        """Seconds until half of the queue is likely to be gone."""
        _, finished, seconds = self._rates()
        low, high = _RETRY_SECONDS
        if not finished:
            return 2 * low
        return round(min(high, max(low, (self._limit - self._slots) / 2 * seconds / finished)), 1)


def _close_at_exit(scheduler: weakref.ref[Scheduler]) -> None:
    # A daemon thread inside the model while the interpreter goes down can abort the process.
    if (alive := scheduler()) is not None:
        alive.close(timeout=2.0)
