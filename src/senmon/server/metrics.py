"""Figures for Prometheus: `GET /metrics`. Labels name packs, checks, actions and codes, never a person.

What is counted is what the runs stored and how long their steps took. A label has at most so many values;
what comes after them is `other`. https://prometheus.io/docs/practices/naming/ for the names.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from senmon import tracing
from senmon.messages import NOBODY, Event
from senmon.server.gauges import Figures, State

#: Values of a label before `other`. A server of more packs counts the rest together.
MOST = 200
OTHER = "other"
SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 1.5, 3.0, 5.0, 10.0, 30.0)
SHORT = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: Codes that somebody waits for, from the start on.
RAISED = (
    "adapter_corrupt",
    "adapter_error",
    "adapter_mismatch",
    "adapter_not_found",
    "engine_busy",
    "engine_unavailable",
    "internal_error",
    "store_error",
    "timeout",
)
REFUSED = ("rate_limited", "unauthenticated", "store_error")
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")

M = TypeVar("M", bound=MetricWrapperBase)


class Bounded:
    """Lets the first `most` combinations of a metric's labels through."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[str, set[tuple[str, ...]]] = {}

    def of(self, metric: M, *values: str, last: str | None = None) -> M:
        """The child of `metric` for `values`; `last` is a label with few values of its own."""
        known = self._known.setdefault(str(metric), set())
        if values not in known:
            if len(known) < self._most:
                known.add(values)
            else:
                values = (OTHER,) * len(values)
        child: M = metric.labels(*values, *(() if last is None else (last,)))
        return child


class Metrics:
    """The process's figures. `engine` gives those of the engine: slots, active, waiting, …"""

    def __init__(self, engine: Figures) -> None:
        # Twice as many series, for times of start that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = own = CollectorRegistry()
        self.state = State(engine, own)
        self._bounded = Bounded()
        pack, adapter = ("pack",), ("pack", "adapter")
        self.turns = Counter("senmon_turns", "Turns that ended, by how.", (*pack, "finish"), registry=own)
        self.first = Histogram(
            "senmon_first_text_seconds", "From a message to its first released text.", pack,
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.whole = Histogram(
            "senmon_turn_seconds", "From a message to the end of its reply.", pack,
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.tokens = Counter(
            "senmon_tokens", "Tokens: prompt, cached (of the prompt), completion.", (*adapter, "kind"),
            registry=own,
        )  # fmt: skip
        self.first_token = Histogram(
            "senmon_first_token_seconds", "From the engine's request to its first token.", adapter,
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.generating = Summary(
            "senmon_generate_seconds", "Seconds of the engine's replies.", adapter, registry=own
        )
        self.steps = Histogram(
            "senmon_step_seconds", "Steps of turns: route, retrieve, generate, act, check, store.", ("step",),
            buckets=SHORT, registry=own,
        )  # fmt: skip
        self._count(own)
        self._web(own)
        # An increase can be seen of what was there before.
        for code in RAISED:
            self.of(self.errors, code)
        for code in REFUSED:
            self.of(self.refused, code)

    def _web(self, own: CollectorRegistry) -> None:
        self.http = Counter(
            "senmon_http_requests", "Requests answered, by path template and kind of status.",
            ("path", "status"), registry=own,
        )  # fmt: skip
        self.refused = Counter(
            "senmon_http_errors", "Requests answered with an error; rate_limited among them.", ("code",),
            registry=own,
        )  # fmt: skip
        self.in_flight = Gauge(
            "senmon_http_in_flight", "Requests under way, open streams among them.", registry=own
        )

    def _count(self, own: CollectorRegistry) -> None:
        pack = ("pack",)
        self.units = Counter("senmon_released_units", "Pieces of text released.", pack, registry=own)
        self.verdicts = Counter(
            "senmon_verdicts", "What checks had against replies.", (*pack, "check", "outcome"), registry=own
        )
        self.judging = Summary(
            "senmon_check_seconds", "Judgements of checks, those that passed too.", ("check",), registry=own
        )
        self.actions = Counter(
            "senmon_actions", "Actions that ended.", (*pack, "action", "status"), registry=own
        )
        self.acting = Histogram(
            "senmon_action_seconds", "Seconds of actions.", (*pack, "action"), buckets=SHORT, registry=own
        )
        self.handoffs = Counter("senmon_handoffs", "Conversations given to a person.", pack, registry=own)
        self.errors = Counter(
            "senmon_errors", "Turns that ended with an error event.", ("code",), registry=own
        )
        self.unstored = Counter(
            "senmon_unstored_runs", "Runs whose events could not be stored.", registry=own
        )
        self.takeovers = Counter(
            "senmon_takeovers", "Runs taken over from a server that fell silent.", registry=own
        )
        self.live = Gauge("senmon_runs_live", "Turns under way.", registry=own)
        self.waiting = Gauge(
            "senmon_runs_waiting", "Turns under way of which nothing is released yet.", registry=own
        )

    def begin(self, *, taken: bool = False) -> RunMeter:
        """`taken`: over from another server."""
        if taken:
            self.takeovers.inc()
        return RunMeter(self)

    def of(self, metric: M, *values: str, last: str | None = None) -> M:
        return self._bounded.of(metric, *values, last=last)

    def answered(self, path: str, status: int, code: str) -> None:
        """A request was answered; `code` of an error, where it has one."""
        self.of(self.http, path, last=f"{status // 100}xx").inc()
        if status >= 400:
            self.of(self.refused, code or f"http_{status}").inc()

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self.registry)


class RunMeter:
    """Watches one run, event by event and step by step."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._begun = time.perf_counter()
        self._pack = NOBODY
        self._silent = True
        metrics.live.inc()
        metrics.waiting.inc()

    def step(self, name: str, seconds: float, facts: Mapping[str, tracing.Fact]) -> None:
        """May be called by any thread."""
        metrics = self._metrics
        if name == "judge":
            metrics.of(metrics.judging, str(facts.get("check", ""))).observe(seconds)
            return
        metrics.steps.labels(name).observe(seconds)
        pack = str(facts.get("pack") or NOBODY)
        if name == "act":
            metrics.of(metrics.acting, pack, str(facts.get("action", ""))).observe(seconds)
        elif name == "generate":
            names = pack, str(facts.get("adapter", ""))
            metrics.of(metrics.generating, *names).observe(seconds)
            if (first := facts.get("first_token")) is not None:
                metrics.of(metrics.first_token, *names).observe(float(first))

    def saw(self, event: Event) -> None:
        metrics, data = self._metrics, event.data
        if event.type == "route":
            self._pack = str(data.get("pack") or NOBODY)
        elif event.type == "delta":
            self._released()
        elif event.type == "verdict":
            names = self._pack, str(data.get("check", ""))
            metrics.of(metrics.verdicts, *names, last=str(data.get("outcome", ""))).inc()
        elif event.type == "action" and data.get("status") != "started":
            names = self._pack, str(data.get("name", ""))
            metrics.of(metrics.actions, *names, last=str(data.get("status", ""))).inc()
        elif event.type == "handoff":
            metrics.of(metrics.handoffs, self._pack).inc()
        elif event.type == "done":
            self._done(data)
        elif event.type == "error":
            self._ended("error", str(data.get("code", "")))

    def _released(self) -> None:
        metrics = self._metrics
        metrics.of(metrics.units, self._pack).inc()
        if self._silent:
            self._silent = False
            metrics.waiting.dec()
            metrics.of(metrics.first, self._pack).observe(time.perf_counter() - self._begun)

    def _done(self, data: Mapping[str, object]) -> None:
        metrics = self._metrics
        usage, origin = data.get("usage"), data.get("provenance")
        adapter = str(origin.get("adapter") or "")[:12] if isinstance(origin, Mapping) else ""
        self._ended(str(data.get("finish_reason", "")), adapter=adapter)
        if isinstance(usage, Mapping):
            for kind in TOKENS:
                if count := usage.get(kind):
                    name = kind.removesuffix("_tokens")
                    metrics.of(metrics.tokens, self._pack, adapter, last=name).inc(count)

    def _ended(self, finish: str, code: str = "", adapter: str = "") -> None:
        metrics = self._metrics
        metrics.of(metrics.turns, self._pack, last=finish).inc()
        tracing.finish(pack=self._pack, finish=finish, **({"adapter": adapter} if adapter else {}))
        if code:
            metrics.of(metrics.errors, code).inc()
            tracing.finish(error=code)

    def unstored(self) -> None:
        self._metrics.unstored.inc()
        tracing.finish(error="store_error")

    def end(self) -> None:
        metrics = self._metrics
        metrics.live.dec()
        if self._silent:
            metrics.waiting.dec()
        metrics.of(metrics.whole, self._pack).observe(time.perf_counter() - self._begun)
