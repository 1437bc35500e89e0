"""Figures as numbers for inline SVG: the templates draw them, so nothing but numbers and names goes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 28
_MOST_POINTS = 400
SUBJECTS = ("candidate", "promoted", "base")


@dataclass(frozen=True, slots=True)
class Curve:
    """Polylines as SVG's `points`; ticks as (place, words)."""

    train: str
    smooth: str
    valid: str
    valid_dots: tuple[tuple[float, float], ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    best: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def curve(rows: Mapping[str, Any]) -> Curve | None:
    """From a run's `curve.json`; None when it holds no step."""
    train, valid = _pairs(rows.get("train")), _pairs(rows.get("valid"))
    if not train:
        return None
    train = train[:: max(1, len(train) // _MOST_POINTS)]
    steps = max(step for step, _ in (*train, *valid)) or 1.0
    top = max(loss for _, loss in (*train, *valid)) or 1.0

    def at(step: float, loss: float) -> tuple[float, float]:
        x = _LEFT + (WIDTH - _LEFT - _RIGHT) * step / steps
        return round(x, 1), round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * loss / top, 1)

    best = rows.get("best") or {}
    loss = best.get("loss")
    told = f"best {loss:.3f} at step {best.get('step')}" if isinstance(loss, int | float) else ""
    dots = tuple(at(*pair) for pair in valid)
    return Curve(
        train=_points(at(*pair) for pair in train),
        smooth=_points(at(*pair) for pair in _smoothed(train)),
        valid=_points(dots),
        valid_dots=dots,
        x_ticks=tuple((at(steps * part / 4, 0)[0], f"{steps * part / 4:.0f}") for part in range(5)),
        y_ticks=tuple((at(0, top * part / 4)[1], f"{top * part / 4:.2f}") for part in range(5)),
        best=told,
    )


def _pairs(rows: Any) -> list[tuple[float, float]]:
    found = []
    for row in rows if isinstance(rows, list) else []:
        step, loss = (row.get("step"), row.get("loss")) if isinstance(row, dict) else (None, None)
        if isinstance(step, int | float) and isinstance(loss, int | float) and loss == loss and loss < 1e6:
            found.append((float(step), float(loss)))
    return found


def _smoothed(pairs: Sequence[tuple[float, float]], weight: float = 0.9) -> list[tuple[float, float]]:
    result, total, mass = [], 0.0, 0.0
    for step, loss in pairs:
        total, mass = weight * total + (1 - weight) * loss, weight * mass + (1 - weight)
        result.append((step, total / mass))
    return result


def _points(pairs: Any) -> str:
    return " ".join(f"{x},{y}" for x, y in pairs)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its interval, placed from 0 to 100 along its row."""

    subject: str
    value: float
    low: float
    high: float
    x: float
    x_low: float
    x_high: float


def intervals(metrics: Mapping[str, Any]) -> dict[str, list[Interval]]:
    """Metric → what was measured of each subject, from a gate verdict's `metrics`."""
    found: dict[str, list[Interval]] = {}
    for subject in SUBJECTS:
        for name, one in (metrics.get(subject) or {}).items():
            value, low, high = (_figure(one, part) for part in ("value", "low", "high"))
            if value is not None and low is not None and high is not None:
                found.setdefault(str(name), []).append(Interval(subject, value, low, high, 0, 0, 0))
    return {name: _placed(rows) for name, rows in found.items()}


def _figure(metric: Any, part: str) -> float | None:
    found = metric.get(part) if isinstance(metric, dict) else None
    return float(found) if isinstance(found, int | float) else None


def _placed(rows: Sequence[Interval]) -> list[Interval]:
    top = max(1.0, *(row.high for row in rows))

    def at(value: float) -> float:
        return round(100 * min(1.0, max(0.0, value / top)), 2)

    return [
        Interval(row.subject, row.value, row.low, row.high, at(row.value), at(row.low), at(row.high))
        for row in rows
    ]
