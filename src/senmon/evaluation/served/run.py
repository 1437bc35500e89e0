"""An evaluation of one pack by the whole assistant: suites in turn, for the bare base and an adapter.

A finished suite is kept; the same evaluation goes on after an interruption where it was. What a suite rests
on (pack, adapter, base, material, limit, version) is in its key, so nothing stale is taken up.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from senmon import __version__
from senmon.adapters import Adapter
from senmon.adapters.durable import write_text
from senmon.evaluation.metrics import Metric, paired_difference, rate
from senmon.evaluation.served.blind import Blind
from senmon.evaluation.served.check_sets import Quality, blind_qualities, check_qualities, unmeasured
from senmon.evaluation.served.figures import FIGURES, SUITES, FigureSpec
from senmon.evaluation.served.rig import Stand
from senmon.evaluation.served.sheet import Sheet
from senmon.evaluation.served.suites import RUNNERS, Course, size

BASE, ADAPTER = "base", "adapter"
SCHEMA = 1
SHOWN_FAULTS = 12
#: The bare base beside an adapter has so many items of a suite at most: enough to compare, and it is slow,
#: for it talks without end.
BASE_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. `subjects`: name → adapter (None: the bare base)."""

    pack: str
    stand: Stand
    subjects: Mapping[str, Adapter | None]
    suites: tuple[str, ...]
    blind: Blind
    checks: Path
    limit: int | None = None
    base: str = ""
    base_digest: str = ""
    gate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """Where an evaluation stands, counted in items over all suites and subjects."""

    suite: str
    subject: str
    done: int
    total: int


Report = Callable[[Step], None]


async def measure(plan: Plan, keep: Path, on_step: Report = lambda step: None) -> dict[str, Any]:
    """The section of the report for this pack. Raises what the engine raises."""
    started, load = time.monotonic(), os.getloadavg()[0]
    jobs = [(suite, name) for suite in plan.suites if suite in RUNNERS for name in plan.subjects]
    jobs = [(suite, name) for suite, name in jobs if _size(plan, suite, name)]
    total = sum(_size(plan, suite, name) for suite, name in jobs)
    done, sheets = 0, []
    for suite, name in jobs:
        at = done

        def tick(suite: str = suite, name: str = name) -> None:
            nonlocal at
            at += 1
            on_step(Step(suite, name, min(at, total), total))

        sheets.append(await _kept(plan, suite, name, keep, tick))
        done += _size(plan, suite, name)
        on_step(Step(suite, name, done, total))
    qualities = await asyncio.to_thread(_qualities, plan) if "checks" in plan.suites else ()
    return section(plan, sheets, qualities, time.monotonic() - started, max(load, os.getloadavg()[0]))


def _limit(plan: Plan, name: str) -> int | None:
    """Of items, for a subject."""
    if name == BASE and ADAPTER in plan.subjects:
        return min(plan.limit or BASE_ITEMS, BASE_ITEMS)
    return plan.limit


def _size(plan: Plan, suite: str, name: str) -> int:
    return size(suite, plan.blind, _limit(plan, name))


async def _kept(plan: Plan, suite: str, name: str, keep: Path, tick: Callable[[], None]) -> Sheet:
    """The sheet of a suite, from an earlier run when nothing changed."""
    path = keep / plan.pack / f"{suite}-{name}-{_key(plan, suite, name)}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return Sheet.from_json(json.loads(path.read_text(encoding="utf-8")))
    stand = plan.stand.with_adapter(plan.pack, plan.subjects[name])
    sheet = await RUNNERS[suite](Course(stand, plan.pack, name, plan.blind, _limit(plan, name), tick))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(sheet.to_json(), ensure_ascii=False))
    return sheet


def _key(plan: Plan, suite: str, name: str) -> str:
    adapter = plan.subjects[name]
    others = {
        each: served.adapter.version if served.adapter else ""
        for each, served in plan.stand.catalog.packs.items()
        if each != plan.pack
    }
    packs = {each: served.pack.digest for each, served in plan.stand.catalog.packs.items()}
    version = adapter.version if adapter else ""
    material = dict(plan.blind.digests)
    parts = [_judges(), suite, version, plan.base_digest, _limit(plan, name), others, packs, material]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _judges() -> str:
    """The digest of whatever judges: a changed oracle judges anew."""
    room = Path(__file__).parents[1]
    files = sorted(path for part in ("oracle", "pupil") for path in (room / part).glob("*.py"))
    files += [room / "served" / f"{name}.py" for name in ("rig", "requests", "turns", "offtopic", "suites")]
    texts = [path.read_bytes() for path in files]
    return hashlib.sha256(b"\0".join((__version__.encode(), *texts))).hexdigest()


def _qualities(plan: Plan) -> tuple[Quality, ...]:
    return (*check_qualities(plan.checks), *blind_qualities(plan.blind.labelled))


def section(
    plan: Plan, sheets: Sequence[Sheet], qualities: Sequence[Quality], seconds: float, load: float
) -> dict[str, Any]:
    """The sheets as figures; without anybody's words."""
    pack = plan.stand.pack(plan.pack)
    return {
        "schema": SCHEMA,
        "pack": pack.label,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "load": round(load, 1),
        "base": plan.base,
        "base_digest": plan.base_digest[:12],
        "subjects": {name: one.version[:12] if one else "" for name, one in plan.subjects.items()},
        "limit": plan.limit,
        "blind": dict(plan.blind.digests),
        "figures": _figures(sheets),
        "times": _times(sheets),
        "faults": {
            sheet.suite: dict(list(sheet.faults.items())[:SHOWN_FAULTS])
            for sheet in sheets
            if sheet.subject == (ADAPTER if ADAPTER in plan.subjects else BASE) and sheet.faults
        },
        "checks": [one.to_json() for one in qualities],
        "unmeasured": list(unmeasured(plan.checks)) if qualities else [],
        "gate": dict(plan.gate),
        "notes": [],
    }


def _figures(sheets: Sequence[Sheet]) -> dict[str, Any]:
    """Figure → its bar, a value for each subject, and adapter − base on the same items."""
    found: dict[str, Any] = {}
    for name, spec in FIGURES.items():
        mine = {sheet.subject: sheet.scores[name] for sheet in sheets if sheet.scores.get(name)}
        if not mine:
            continue
        rates = {subject: rate(round(sum(items.values())), len(items)) for subject, items in mine.items()}
        leading = ADAPTER if ADAPTER in rates else BASE
        found[name] = {
            "suite": spec.suite,
            "says": spec.says,
            "bar": spec.shown_bar,
            "low": spec.low,
            "met": spec.met(rates[leading].value),
            "values": {subject: metric.to_json() for subject, metric in rates.items()},
            "difference": _difference(mine, spec),
        }
    return found


def _difference(mine: Mapping[str, Mapping[str, float]], spec: FigureSpec) -> dict[str, Any] | None:
    if ADAPTER not in mine or BASE not in mine:
        return None
    shared = sorted(mine[ADAPTER].keys() & mine[BASE].keys())
    if len(shared) < 2:
        return None
    metric = paired_difference([mine[ADAPTER][id] for id in shared], [mine[BASE][id] for id in shared])
    sign = -1 if spec.low else 1
    low, high = sorted((sign * metric.low, sign * metric.high))
    verdict = "better" if low > 0 else "worse" if high < 0 else "undecided"
    return {**metric.to_json(), "verdict": verdict, "leads": spec.leads}


def _times(sheets: Sequence[Sheet]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for sheet in sheets:
        for name, values in sheet.times.items():
            if not values:
                continue
            spec = FIGURES[name]
            p50, p95 = (float(np.quantile(values, share)) for share in (0.5, 0.95))
            entry = found.setdefault(name, {"says": spec.says, "aim": spec.bar, "values": {}})
            entry["values"][sheet.subject] = {"p50": round(p50, 3), "p95": round(p95, 3), "n": len(values)}
    return found


def failures(section: Mapping[str, Any]) -> tuple[str, ...]:
    """Why an adapter should not be served: on some suite it is not better than the bare base."""
    reasons = []
    for name, figure in section["figures"].items():
        difference = figure.get("difference")
        if difference is None or not FIGURES[name].leads:
            continue
        if difference["verdict"] != "better":
            value = Metric(difference["value"], difference["low"], difference["high"], difference["n"])
            reasons.append(
                f"{figure['suite']}: {figure['says']}: adapter − base is {value.value:+.3f} "
                f"({value.low:+.3f} to {value.high:+.3f}), not surely better"
            )
    return tuple(reasons)


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Suites by name; `all` or none: every one."""
    wanted = [name for each in names for name in each.split(",") if name]
    return SUITES if not wanted or "all" in wanted else tuple(name for name in SUITES if name in wanted)


def unknown(names: Sequence[str]) -> tuple[str, ...]:
    wanted = [name for each in names for name in each.split(",") if name]
    return tuple(name for name in wanted if name not in (*SUITES, "all", "heldout"))


def with_notes(section: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """With what a person has to say of the figures, one paragraph each."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {**section, "notes": [part.strip() for part in text.split("\n\n") if part.strip()]}


def merged(old: Mapping[str, Any] | None, pack: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document's data, this pack's section replaced."""
    packs = dict((old or {}).get("packs", {}))
    packs[pack] = dict(section)
    return {"schema": SCHEMA, "packs": {name: packs[name] for name in sorted(packs)}}


def only(plan: Plan, subject: str) -> Plan:
    return replace(plan, subjects={subject: plan.subjects[subject]})
