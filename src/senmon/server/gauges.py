"""Figures that are read when they are asked for: the engine's own, the store's, the disk's, the process's."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from senmon import __version__
from senmon.errors import SenmonError
from senmon.server.ports import Workspace

Figures = Callable[[], Mapping[str, float]]
#: What an engine counts since its start; all else is what it has now.
COUNTED: Mapping[str, str] = {
    "requests": "Replies asked of the engine.",
    "failed": "Replies that failed in it.",
    "cancelled": "Replies that nobody waited for any more.",
    "prompt_tokens": "Tokens of prompts.",
    "cached_tokens": "Tokens of prompts whose keys and values were kept.",
    "completion_tokens": "Tokens written.",
    "adapter_hits": "Adapters found in memory.",
    "adapter_loads": "Adapters read from disk, or brought to model servers.",
    "adapter_evictions": "Adapters put out for others.",
    "adapter_unloads": "Adapters taken from model servers.",
    "retries": "Replies asked of another model server, or once more.",
}
HAS: Mapping[str, str] = {
    "slots": "Replies that can be made at once.",
    "active": "Replies being made.",
    "waiting": "Replies that wait for a slot.",
    "tokens_per_second": "Tokens a second over the last half minute, all replies together.",
    "prefix_blocks": "Blocks of prefixes kept.",
    "adapters": "Adapters in memory, or wanted on model servers.",
    "replicas": "Model servers.",
    "replicas_open": "Model servers that fail: nothing is sent there.",
}
#: name → what it says, and its label.
STATE: Mapping[str, tuple[str, str]] = {
    "senmon_ready": ("1 while messages can be answered.", ""),
    "senmon_store_up": ("1 while the store can be written.", ""),
    "senmon_packs": ("Packs served, by status: ready, or untuned (no adapter fits).", "status"),
    "senmon_packs_stale": ("Packs served with an adapter older than their data, prompt or recipe.", ""),
    "senmon_problems": ("Packs or adapters that could not be loaded.", ""),
    "senmon_handovers_waiting": ("Conversations that wait for a person.", ""),
    "senmon_handover_oldest_seconds": ("How long the oldest of them has waited.", ""),
    "senmon_deliveries": ("Deliveries to webhooks, by state: waiting, delivered, given up.", "state"),
    "senmon_disk_free_bytes": ("Free on the disk of SENMON_HOME.", ""),
    "senmon_disk_bytes": ("Size of that disk.", ""),
    "senmon_build_info": ("1; the version that runs.", "version"),
    "senmon_tasks": ("Things under way in the server, waiting ones among them.", ""),
}
Read = dict[str, float | dict[str, float]]


class State:
    """What is looked up for each scrape: `read` before the registry is asked."""

    def __init__(self, engine: Figures, registry: CollectorRegistry) -> None:
        self._now: Read = {}
        registry.register(_Engine(engine))
        registry.register(_Read(lambda: self._now))
        ProcessCollector(registry=registry)

    async def read(self, workspace: Workspace) -> None:
        """A store that can't be read leaves its figures out; `senmon_store_up` says so."""
        ready, checks = workspace.ready()
        found: Read = {"senmon_build_info": {__version__: 1}, "senmon_tasks": len(asyncio.all_tasks())}
        found |= _served(workspace, checks) if ready else {}
        try:
            found |= await _stored(workspace)
        except SenmonError:
            found["senmon_store_up"] = 0
        found["senmon_ready"] = float(ready and bool(found["senmon_store_up"]))
        disk = await asyncio.to_thread(shutil.disk_usage, workspace.settings.home.expanduser().absolute())
        self._now = found | {"senmon_disk_free_bytes": disk.free, "senmon_disk_bytes": disk.total}


def _served(workspace: Workspace, checks: Mapping[str, Any]) -> Read:
    packs = workspace.catalog.packs.values()
    by_status = Counter({"ready": 0, "untuned": 0})
    by_status.update(each.status for each in packs)
    return {
        "senmon_packs": dict(by_status),
        "senmon_packs_stale": sum(bool(each.stale) for each in packs),
        "senmon_problems": len(checks.get("problems", ())),
    }


async def _stored(workspace: Workspace) -> Read:
    """Raises StoreError."""
    store = workspace.store
    await store.check()
    waiting, oldest = await store.desk.queue()
    deliveries = Counter({"waiting": 0, "delivered": 0, "given up": 0})
    for states in (await store.webhooks.counts()).values():
        deliveries.update(states)
    since = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
    return {
        "senmon_store_up": 1,
        "senmon_handovers_waiting": waiting,
        "senmon_handover_oldest_seconds": max(0.0, since),
        "senmon_deliveries": dict(deliveries),
    }


class _Read(Collector):
    def __init__(self, now: Callable[[], Read]) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        now = self._now()
        for name, (says, label) in STATE.items():
            family = GaugeMetricFamily(name, says, labels=[label] if label else [])
            value = now.get(name)
            if isinstance(value, dict):
                for key, each in value.items():
                    family.add_metric([key], each)
            elif value is not None:
                family.add_metric([], value)
            yield family


class _Engine(Collector):
    """The engine's own figures."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, value in self._figures().items():
            says = COUNTED.get(name) or HAS.get(name) or f"The engine's {name.replace('_', ' ')}."
            kind = CounterMetricFamily if name in COUNTED else GaugeMetricFamily
            yield kind(f"senmon_engine_{name}", says, value)
