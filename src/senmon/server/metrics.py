"""Figures for Prometheus: `GET /metrics`. Labels name packs, checks, actions and codes, never a person.

What is counted is what the runs stored; https://prometheus.io/docs/practices/naming/ for the names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from senmon.messages import NOBODY, Event

SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 1.5, 3.0, 5.0, 10.0, 30.0)
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")
Figures = Callable[[], Mapping[str, float]]


class Metrics:
    """The process's figures. `engine` gives those of the engine: slots, active, waiting, …"""

    def __init__(self, engine: Figures) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.turns = Counter("senmon_turns", "Turns that ended, by how.", ("pack", "finish"), registry=own)
        self.first = Histogram(
            "senmon_first_text_seconds", "From a message to its first released text.", ("pack",),
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.whole = Histogram(
            "senmon_turn_seconds",
            "From a message to the end of its reply.",
            ("pack",),
            buckets=SECONDS,
            registry=own,
        )
        self.tokens = Counter("senmon_tokens", "Tokens, by kind.", ("pack", "adapter", "kind"), registry=own)
        self.verdicts = Counter(
            "senmon_verdicts", "What checks said of replies.", ("check", "outcome"), registry=own
        )
        self.actions = Counter(
            "senmon_actions", "Actions that ended.", ("pack", "action", "status"), registry=own
        )
        self.handoffs = Counter(
            "senmon_handoffs", "Conversations given to a person.", ("pack",), registry=own
        )
        self.errors = Counter(
            "senmon_errors", "Turns that ended with an error event.", ("code",), registry=own
        )
        self.live = Gauge("senmon_runs_live", "Turns under way.", registry=own)
        self.registry.register(_Engine(engine))

    def begin(self) -> RunMeter:
        return RunMeter(self)

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self.registry)


class RunMeter:
    """Watches one run, event by event."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._begun = time.perf_counter()
        self._pack = NOBODY
        self._silent = True
        metrics.live.inc()

    def saw(self, event: Event) -> None:
        metrics, data = self._metrics, event.data
        if event.type == "route":
            self._pack = str(data.get("pack") or NOBODY)
        elif event.type == "delta" and self._silent:
            self._silent = False
            metrics.first.labels(self._pack).observe(time.perf_counter() - self._begun)
        elif event.type == "verdict":
            metrics.verdicts.labels(str(data.get("check", "")), str(data.get("outcome", ""))).inc()
        elif event.type == "action" and data.get("status") != "started":
            metrics.actions.labels(self._pack, str(data.get("name", "")), str(data.get("status", ""))).inc()
        elif event.type == "handoff":
            metrics.handoffs.labels(self._pack).inc()
        elif event.type == "done":
            self._done(data)
        elif event.type == "error":
            metrics.errors.labels(str(data.get("code", ""))).inc()
            metrics.turns.labels(self._pack, "error").inc()

    def _done(self, data: Mapping[str, object]) -> None:
        metrics = self._metrics
        metrics.turns.labels(self._pack, str(data.get("finish_reason", ""))).inc()
        usage, origin = data.get("usage"), data.get("provenance")
        adapter = str(origin.get("adapter") or "") if isinstance(origin, Mapping) else ""
        if isinstance(usage, Mapping):
            for kind in TOKENS:
                if count := usage.get(kind):
                    metrics.tokens.labels(self._pack, adapter, kind.removesuffix("_tokens")).inc(count)

    def end(self) -> None:
        self._metrics.live.dec()
        self._metrics.whole.labels(self._pack).observe(time.perf_counter() - self._begun)


class _Engine(Collector):
    """The engine's own figures, read when they are asked for."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in self._figures().items():
            yield GaugeMetricFamily(f"senmon_engine_{name}", f"The engine's {name.replace('_', ' ')}.", value)
