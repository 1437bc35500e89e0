"""Runs: one task each, detached from the sockets that follow it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from senmon import tracing
from senmon.errors import EngineBusy, EngineUnavailable, LeaseLost, SenmonError
from senmon.messages import Conversation, Event
from senmon.server.admission import Admission
from senmon.server.bus import Bus
from senmon.server.errors import event_data
from senmon.server.eventlog import TERMINAL, UNSTORED, EventLog
from senmon.server.history import with_persons_words
from senmon.server.metrics import Metrics, RunMeter
from senmon.server.news import News
from senmon.server.ports import Workspace
from senmon.server.runturn import Turn, going_on
from senmon.store.records import Run, RunState

IDLE_SECONDS = 30.0
RUN_SECONDS = 300.0
#: How long a stop waits for the server that answers.
STOP_SECONDS = 5.0
#: Roles of whoever may say which trace a run belongs to.
TRUSTED = frozenset({"key", "operator"})
_STATES: dict[str, RunState] = {"done": "done", "error": "failed"}
_INTERNAL = {"code": "internal_error", "message": "Something broke on our side.", "remedy": "try again"}
_CLOSING = {
    "code": "interrupted",
    "message": "The server is shutting down.",
    "remedy": "send the message again",
}
_TOO_LONG = {"code": "timeout", "message": "The answer took too long.", "remedy": "try again"}

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _LiveRun:
    """A run under way. `stopped` is set with the reason in `why`: None for the visitor's wish."""

    run: Run
    turn: Turn
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    why: dict[str, Any] | None = None
    followers: int = 0
    timer: asyncio.TimerHandle | None = None
    asking: asyncio.Task[None] | None = None
    task: asyncio.Task[None] | None = None
    said: str = ""
    #: Of the last event that is known to be stored: the opening, of a run begun here.
    seq: int = 1
    #: Taken over from a server that fell silent.
    taken: bool = False
    #: Somebody else's by now: nothing is stored any more.
    lost: bool = False

    def stop(self, why: dict[str, Any] | None = None) -> None:
        if not self.stopped.is_set():
            self.why = why
            self.stopped.set()

    def state_after(self, last: Event) -> RunState | None:
        """What the run is with this event; None: still under way."""
        if last.type not in TERMINAL:
            return None
        return "stopped" if self.stopped.is_set() and self.why is None else _STATES[last.type]

    def end(self) -> Event:
        """What closes a run that was stopped."""
        if self.why is not None:
            return Event("error", self.why)
        return Event("done", {"finish_reason": "cancelled", "text": self.said.rstrip()})


class RunManager:
    """Starts, follows and stops runs. `close` ends all of them with an error event."""

    def __init__(
        self,
        workspace: Workspace,
        log: EventLog,
        news: News,
        metrics: Metrics,
        *,
        bus: Bus | None = None,
        idle_seconds: float = IDLE_SECONDS,
        run_seconds: float = RUN_SECONDS,
        admission: Admission | None = None,
    ) -> None:
        self._workspace = workspace
        self._log = log
        self._news = news
        self._metrics = metrics
        self._bus = bus
        if bus is not None:
            bus.hear("stop", lambda told: self._stop_here(told["run"]))
        self._idle_seconds = idle_seconds
        self._run_seconds = run_seconds
        self._admission = admission or Admission()
        self._live: dict[str, _LiveRun] = {}
        self._closing = False
        #: Runs that ended while the store could not be written.
        self._left_over: dict[str, RunState] = {}

    async def begin(self, turn: Turn) -> Run:
        """The turn's run, started unless its client_id has one.

        Raises RunConflict, PersonSpeaks, EngineUnavailable, EngineBusy.
        """
        if self._closing:
            raise EngineUnavailable("the server is shutting down", remedy="try again in a moment")
        ready, _ = self._workspace.ready()
        if not ready:
            raise EngineUnavailable(
                "the server can't answer yet", remedy="wait for GET /readyz to answer 200"
            )
        with self._admission.entering(turn, self._turns, len(self._live)):
            # Whoever asked may be gone by now; a run that was stored must be driven all the same.
            return await asyncio.shield(self._begin(turn))

    def refusal(self, conversation: str) -> EngineBusy | None:
        """Why no message of this conversation can be taken now. None: it may be; `begin` knows better.

        Where a reply is under way the message may be the same one, where a person speaks it goes to them.
        """
        if not self._admission.full(len(self._live)) or self._admission.takes_no_place(conversation):
            return None
        if any(live.run.conversation == conversation for live in self._live.values()):
            return None
        return self._admission.busy(len(self._live))

    def note_person(self, conversation: str, *, speaks: bool) -> None:
        """A person has joined there, or has left."""
        (self._admission.joined if speaks else self._admission.left)(conversation)

    def _turns(self) -> list[Turn]:
        return [live.turn for live in self._live.values()]

    async def _begin(self, turn: Turn) -> Run:
        await self._close_left_over()
        run = await self._workspace.store.start_run(
            turn.conversation,
            turn.client_id,
            turn.text,
            customer=turn.identity.customer,
            opening=turn.opening(leased=self._workspace.store.leases is not None),
            replaces=turn.replaces,
        )
        if run.fresh:
            self._news.ring(turn.conversation)
            self._set_off(_LiveRun(run, turn))
        return run

    def _set_off(self, live: _LiveRun) -> None:
        self._live[live.run.id] = live
        live.task = asyncio.create_task(self._drive(live), name=f"run {live.run.id}")
        self._expect_followers(live)

    async def take_over(self, run: Run, turn: Turn) -> None:
        """Go on with a run that this server has the lease of."""
        if run.id in self._live or self._closing:
            return
        live = _LiveRun(run, turn, taken=True)
        if self._bus is not None and await self._bus.marked(f"stop:{run.id}"):
            live.stop()
        log.info("run %s is taken over", run.id)
        self._set_off(live)

    def keep_only(self, mine: frozenset[str], since: frozenset[str]) -> None:
        """Let go of the runs of `since` that are no longer this server's."""
        for run_id in since - mine:
            if (live := self._live.get(run_id)) is not None:
                live.lost = True
                live.stop()

    @property
    def live(self) -> frozenset[str]:
        return frozenset(self._live)

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[Event, None]:
        """The run's events. Close the generator when nobody listens any more."""
        live = self._live.get(run_id)
        if live is None:
            async with self._followed_elsewhere(run_id), aclosing(self._log.follow(run_id, after)) as events:
                async for event in events:
                    yield event
            return
        live.followers += 1
        _cancel(live)
        try:
            async with aclosing(self._log.follow(run_id, after)) as events:
                async for event in events:
                    yield event
        finally:
            live.followers -= 1
            self._expect_followers(live)

    async def stop(self, run_id: str) -> None:
        """End a run as the visitor wishes, and wait until it has ended. Nothing when it has already."""
        live = self._live.get(run_id)
        if live is not None and live.task is not None:
            live.stop()
            await asyncio.shield(live.task)
        elif self._bus is not None:
            await self._bus.mark(f"stop:{run_id}", 600)
            self._bus.tell("stop", run=run_id)
            async with aclosing(self._log.follow(run_id)) as events:
                with suppress(TimeoutError):
                    async with asyncio.timeout(STOP_SECONDS):
                        async for _ in events:
                            pass

    def _stop_here(self, run_id: str) -> None:
        if (live := self._live.get(run_id)) is not None:
            live.stop()

    @asynccontextmanager
    async def _followed_elsewhere(self, run_id: str) -> AsyncIterator[None]:
        """Tells the run's own server that somebody listens here."""
        if self._bus is None:
            yield
            return
        telling = asyncio.create_task(self._tell_followed(self._bus, run_id))
        try:
            yield
        finally:
            telling.cancel()

    async def _tell_followed(self, bus: Bus, run_id: str) -> None:
        while True:
            await bus.mark(f"followed:{run_id}", self._idle_seconds)
            await asyncio.sleep(self._idle_seconds / 3)

    async def _idle(self, live: _LiveRun) -> None:
        """Nobody follows here for a while; stop unless somebody does elsewhere, or nobody can say."""
        followed = self._bus is not None and await self._bus.marked(f"followed:{live.run.id}")
        if followed or (self._bus is not None and not self._bus.up):
            self._expect_followers(live)
        elif not live.followers:
            live.stop()

    async def idle(self, conversation: str) -> None:
        """Wait until no run of this process is under way in a conversation."""
        tasks = [
            live.task for live in self._live.values() if live.run.conversation == conversation and live.task
        ]
        if tasks:
            await asyncio.wait(tasks)

    @property
    def closing(self) -> bool:
        return self._closing

    async def close(self) -> None:
        """Take no more runs, end those under way; with leases, let go of them for other servers, at once."""
        self._closing = True
        tasks = [live.task for live in self._live.values() if live.task]
        leased = self._workspace.store.leases is not None
        for live in self._live.values():
            live.lost = leased  # another server goes on with it
            live.stop(_CLOSING)
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        await self._let_go()

    async def _let_go(self) -> None:
        if (leases := self._workspace.store.leases) is None:
            return
        try:
            await leases.release()
        except SenmonError as error:
            log.error("runs could not be handed over, their leases end by themselves: %s", error.code)
        if self._bus is not None:
            self._bus.tell("free")

    def _expect_followers(self, live: _LiveRun) -> None:
        """Start the clock when nobody follows."""
        _cancel(live)
        if live.followers or live.turn.unattended or live.run.id not in self._live:
            return
        loop = asyncio.get_running_loop()
        live.timer = loop.call_later(self._idle_seconds, lambda: self._ask_idle(live))

    def _ask_idle(self, live: _LiveRun) -> None:
        if self._bus is None:
            live.stop()
        else:
            live.asking = asyncio.create_task(self._idle(live))

    async def _drive(self, live: _LiveRun) -> None:
        meter = self._metrics.begin(taken=live.taken)
        with tracing.run(live.run.id, meter, trusted=not TRUSTED.isdisjoint(live.turn.identity.roles)):
            await self._driven(live, meter)

    async def _driven(self, live: _LiveRun, meter: RunMeter) -> None:
        written = False
        deadline = asyncio.get_running_loop().call_later(self._run_seconds, live.stop, _TOO_LONG)
        try:
            await self._write(live, meter)
            written = True
        except LeaseLost:
            log.warning("run %s is another server's by now", live.run.id)
            written = True
        except Exception as error:
            log.error("run %s could not be stored", live.run.id, exc_info=error)
            meter.unstored()
            self._log.abandon(live.run.id)
        finally:
            deadline.cancel()
            _cancel(live)
            meter.end()
            if not written:
                await self._finish(live.run.id, "failed")
            del self._live[live.run.id]
            self._admission.ended()

    async def _finish(self, run_id: str, state: RunState) -> None:
        try:
            await self._workspace.store.finish_run(run_id, state)
        except SenmonError as error:
            log.error("run %s could not be closed: %s", run_id, error.code)
            self._left_over[run_id] = state

    async def _close_left_over(self) -> None:
        """The store may be writable again; a run that stayed open would block its conversation."""
        store = self._workspace.store
        for run_id in tuple(self._left_over):
            state = self._left_over.pop(run_id)
            try:
                if not any(event.type in TERMINAL for event in await store.events(run_id)):
                    await store.append(run_id, Event("error", UNSTORED))
                await store.finish_run(run_id, state)
            except SenmonError:
                self._left_over[run_id] = state
                raise

    async def _write(self, live: _LiveRun, meter: RunMeter) -> None:
        """Store the run's events, up to the last one. Never cancelled: only the making of events is."""
        turn = live.turn
        state = await self._state(turn, live.run.id)
        events_made = self._rest(live, state) if live.taken else self._reply(turn, state)
        async with aclosing(_until(live.stopped, events_made)) as ready:
            async for events in ready:
                last = next((at for at, event in enumerate(events) if event.type in TERMINAL), None)
                await self._store(live, meter, events if last is None else events[: last + 1])
                if last is not None:
                    return
        if not live.lost:
            await self._store(live, meter, [live.end()])

    async def _store(self, live: _LiveRun, meter: RunMeter, events: Sequence[Event]) -> None:
        """What is ready goes into one transaction; the last event ends the run in it."""
        for event in events:
            if event.type == "delta":
                live.said += str(event.data.get("text", ""))
        state = live.state_after(events[-1])
        with tracing.step("store", events=len(events)):
            stored = await self._log.append(live.run.id, *events, state=state, after=live.seq)
        live.seq = stored[-1].seq
        for event in stored:
            meter.saw(event)
            if event.type == "handoff":
                self._news.ring(live.turn.conversation, queue=live.turn.identity.site)

    async def _state(self, turn: Turn, run_id: str) -> Conversation:
        """The conversation before this run, with what a person said in it."""
        store = self._workspace.store
        stored = await store.conversation_events(turn.conversation)
        before = [event for event in stored if event.run_id != run_id]
        if said := await store.journal.events(turn.conversation, type="message"):
            before = with_persons_words(before, await store.runs_of(turn.conversation), said)
        return Conversation.fold(turn.conversation, before).with_messages(*turn.history)

    async def _rest(self, live: _LiveRun, before: Conversation) -> AsyncGenerator[Event, None]:
        """What is still to come of a run that another server began."""
        stored = await self._workspace.store.events(live.run.id)
        live.seq = stored[-1].seq if stored else 0
        live.said = "".join(str(event.data["text"]) for event in stored if event.type == "delta")
        async with aclosing(going_on(self._workspace.assistant, before, stored, live.turn)) as events:
            async for event in self._closed(events):
                yield event

    async def _reply(self, turn: Turn, state: Conversation) -> AsyncGenerator[Event, None]:
        """The assistant's events, with a last one whatever happens."""
        wishes = {} if turn.packs is None else {"packs": turn.packs}
        stream = self._workspace.assistant.reply(
            state, turn.text, turn.identity, pinned=turn.pinned, system=turn.system, **wishes
        )
        async with aclosing(self._closed(cast(AsyncGenerator[Event, None], stream))) as events:
            async for event in events:
                yield event

    async def _closed(self, stream: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    yield event
                    if event.type in TERMINAL:
                        return
            yield Event("error", _INTERNAL)
        except SenmonError as error:
            yield Event("error", event_data(error))
        except Exception as error:
            log.error("a reply failed", exc_info=error)
            yield Event("error", _INTERNAL)


def _cancel(live: _LiveRun) -> None:
    if live.timer is not None:
        live.timer.cancel()
        live.timer = None


async def _until(stopped: asyncio.Event, events: AsyncIterator[Event]) -> AsyncGenerator[list[Event], None]:
    """The events until `stopped`, all that are ready at a time. A task of their own makes them: it alone is
    cancelled. An action begins once its event was taken."""
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    maker = asyncio.create_task(_make(cast(AsyncGenerator[Event, None], events), queue))
    stopping = asyncio.create_task(stopped.wait())
    stopping.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        more = True
        while more:
            found = [await queue.get()]
            while not queue.empty():
                found.append(queue.get_nowait())
            more = None not in found and not stopped.is_set()
            if (ready := [event for event in found if event is not None]) and not stopped.is_set():
                yield ready
            for _ in found:
                queue.task_done()
    finally:
        stopping.cancel()
        maker.cancel()
        with suppress(asyncio.CancelledError):
            await maker


async def _make(events: AsyncGenerator[Event, None], queue: asyncio.Queue[Event | None]) -> None:
    try:
        async with aclosing(events) as source:
            async for event in source:
                queue.put_nowait(event)
                if event.type == "action" and event.data.get("status") == "started":
                    await queue.join()  # what is done is known to be, whatever happens to this process
    finally:
        queue.put_nowait(None)
