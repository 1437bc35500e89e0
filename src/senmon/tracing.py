"""What a turn is doing, told to whoever measures it: the run's meter, and OpenTelemetry where traces are on.

A step carries names, counts and digests (`FACTS`), never what somebody said: of an error, its code. With
neither a meter nor a tracer a step costs two look-ups. https://opentelemetry.io/docs/specs/otel/trace/api/
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Literal, ParamSpec, Protocol, TypeVar, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

P = ParamSpec("P")
T = TypeVar("T")
Fact = str | int | float | bool
StepName = Literal["route", "retrieve", "generate", "act", "check", "store"]
#: All that a span may say.
_NAMES = ("pack", "adapter", "action", "check", "run")
_ENDS = ("status", "outcome", "finish", "error")
_COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "passages", "events")
FACTS = frozenset((*_NAMES, *_ENDS, *_COUNTS, "score", "margin", "first_token"))
_MOST_CHARS = 120
_WIRE = TraceContextTextMapPropagator()


class Meter(Protocol):
    """Hears of each step that ended."""

    def step(self, name: str, seconds: float, facts: Mapping[str, Fact]) -> None: ...


class Step:
    """A step under way: `note` what becomes known of it."""

    __slots__ = ("begun", "facts", "name", "span")

    def __init__(self, name: str, facts: Mapping[str, Fact], span: trace.Span) -> None:
        self.name = name
        self.facts: dict[str, Fact] = {}
        self.span = span
        self.begun = time.perf_counter()
        self.note(**facts)

    def note(self, **facts: Fact) -> None:
        """KeyError for a fact that is not among FACTS."""
        if wrong := facts.keys() - FACTS:
            raise KeyError(f"no facts of a step: {', '.join(sorted(wrong))}")
        self.facts.update(facts)

    def end(self, fault: BaseException | None, meter: Meter | None) -> None:
        if fault is not None:
            self.facts["error"] = _code(fault)
        if self.span.is_recording():
            self.span.set_attributes({f"senmon.{key}": _short(value) for key, value in self.facts.items()})
            if isinstance(fault, Exception):
                self.span.set_status(Status(StatusCode.ERROR, _code(fault)))
        self.span.end()
        if meter is not None:
            meter.step(self.name, time.perf_counter() - self.begun, self.facts)


#: Of the run that this task works for.
RUN: ContextVar[str] = ContextVar("senmon_run", default="")
_METER: ContextVar[Meter | None] = ContextVar("senmon_meter", default=None)
_STEP: ContextVar[Step | None] = ContextVar("senmon_step", default=None)
#: The caller's `traceparent` and whether it may become the parent of ours.
_CALLER: ContextVar[tuple[str, bool] | None] = ContextVar("senmon_caller", default=None)
_tracer: trace.Tracer | None = None


def use(tracer: trace.Tracer | None) -> None:
    """Where spans go from now on; None: nowhere."""
    global _tracer
    _tracer = tracer


def is_on() -> bool:
    return _tracer is not None


# Steps


@contextmanager
def step(name: StepName, **facts: Fact) -> Iterator[Step | None]:
    """A step of the turn: a span, and the meter's. None where nobody measures."""
    if (begun := _begin(name, facts)) is None:
        yield None
        return
    token, fault = _STEP.set(begun), None
    try:
        with _current(begun.span):
            yield begun
    except BaseException as error:
        fault = error
        raise
    finally:
        _STEP.reset(token)
        begun.end(fault, _METER.get())


def stepped(name: StepName) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """A coroutine function that is a step."""

    def decorate(work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(work)
        async def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            with step(name):
                return await work(*args, **kwargs)

        return measured

    return decorate


async def streamed(
    name: StepName, source: AsyncIterator[T], **facts: Fact
) -> AsyncGenerator[tuple[Step | None, T], None]:
    """The items of `source` and its step, which is current only while `source` runs: what is done with an
    item is no part of it."""
    begun, fault = _begin(name, facts), None
    try:
        async with aclosing(cast(AsyncGenerator[T, None], source)) as items:
            while True:
                token = _STEP.set(begun)
                try:
                    with _current(begun.span if begun else None):
                        item = await anext(items)
                except StopAsyncIteration:
                    return
                finally:
                    _STEP.reset(token)
                yield begun, item
    except GeneratorExit:
        raise
    except BaseException as error:
        fault = error
        raise
    finally:
        if begun is not None:
            begun.end(fault, _METER.get())


def note(**facts: Fact) -> None:
    """Facts of the step that this code is part of."""
    if (now := _STEP.get()) is not None:
        now.note(**facts)


def tell(name: str, seconds: float, **facts: Fact) -> None:
    """For the meter alone: what happens too often to be a span."""
    if (meter := _METER.get()) is not None:
        meter.step(name, seconds, facts)


def measures() -> bool:
    return _METER.get() is not None


def _begin(name: str, facts: Mapping[str, Fact]) -> Step | None:
    if _tracer is None and _METER.get() is None:
        return None
    return Step(name, facts, trace.INVALID_SPAN if _tracer is None else _tracer.start_span(name))


@contextmanager
def _current(span: trace.Span | None) -> Iterator[None]:
    if span is None or span is trace.INVALID_SPAN:
        yield
        return
    with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        yield


# The run around them


@contextmanager
def run(id: str, meter: Meter | None, *, trusted: bool = False) -> Iterator[None]:
    """Everything inside is of this run: one trace. Its parent is the caller's span where the caller may say
    so (`trusted`, or a proxy of ours passed it on); anybody else's is a link."""
    tokens = RUN.set(id), _METER.set(meter)
    try:
        if _tracer is None:
            yield
            return
        parent, links = _parent(trusted)
        kind = SpanKind.SERVER
        span = _tracer.start_span("turn", context=parent, kind=kind, links=links)
        span.set_attribute("senmon.run", id)
        try:
            with _current(span):
                yield
        finally:
            span.end()
    finally:
        RUN.reset(tokens[0])
        _METER.reset(tokens[1])


def finish(**facts: Fact) -> None:
    """Facts of the whole run, from its own task."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({f"senmon.{key}": _short(value) for key, value in facts.items() if key in FACTS})
        if error := facts.get("error"):
            span.set_status(Status(StatusCode.ERROR, str(error)))


def _parent(trusted: bool) -> tuple[Context, tuple[Link, ...]]:
    caller = _CALLER.get()
    if caller is None:
        return Context(), ()
    context = _WIRE.extract({"traceparent": caller[0]}, Context())
    remote = trace.get_current_span(context).get_span_context()
    if not remote.is_valid:
        return Context(), ()
    return (context, ()) if trusted or caller[1] else (Context(), (Link(remote),))


@contextmanager
def called_with(traceparent: str, trusted: bool) -> Iterator[None]:
    """Runs that begin inside were asked for by this span of somebody else's (W3C Trace Context)."""
    token = _CALLER.set((traceparent, trusted))
    try:
        yield
    finally:
        _CALLER.reset(token)


def headers() -> dict[str, str]:
    """What tells a server of ours (the engine, the action server) whose work it does."""
    carried: dict[str, str] = {}
    if _tracer is not None:
        _WIRE.inject(carried)
    return carried


def ids() -> dict[str, str]:
    """The run and the trace that this code works for, for the log."""
    found = {"run": RUN.get()} if RUN.get() else {}
    if _tracer is not None and (span := trace.get_current_span().get_span_context()).is_valid:
        found |= {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
    return found


def _code(fault: BaseException) -> str:
    """Of ours, the code; of another, its type: its words may be somebody's."""
    code = getattr(type(fault), "code", None)
    return code if isinstance(code, str) else type(fault).__name__


def _short(value: Fact) -> Fact:
    return value[:_MOST_CHARS] if isinstance(value, str) else value
