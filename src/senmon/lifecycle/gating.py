"""The gate: whether a candidate may be promoted, judged on the same held-out cases as base and promoted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles
from senmon.dataset.example import Dataset
from senmon.embedding import Encoder
from senmon.engines.protocol import Engine
from senmon.evaluation.evaluate import BASE, CANDIDATE, PROMOTED, EvalProgress, Mode, evaluate
from senmon.evaluation.metrics import Metric
from senmon.evaluation.report import figure, figures_table
from senmon.evaluation.result import LOSS, LOWER_IS_BETTER, EvalReport
from senmon.packs.manifest import Gate
from senmon.packs.pack import Pack


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """`reasons` says why it failed (empty when it passed); `report` has every figure."""

    passed: bool
    reasons: tuple[str, ...]
    report: EvalReport

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Metric]]:
        """Subject (`base`, `promoted`, `candidate`) → metric → figure."""
        return {one.subject: one.metrics for one in self.report.measurements}

    def summary(self) -> dict[str, Any]:
        """The record that is kept beside the adapter: figures without the replies."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "mode": self.report.mode,
            "seconds": round(self.report.seconds, 1),
            "dataset_digest": self.report.dataset_digest,
            "base_digest": self.report.base_digest,
            "metrics": {
                subject: {name: metric.to_json() for name, metric in metrics.items()}
                for subject, metrics in self.metrics.items()
            },
            "comparisons": [comparison.to_json() for comparison in self.report.comparisons],
            "notes": list(self.report.notes),
        }

    def markdown(self) -> str:
        """For model cards."""
        word = "passed" if self.passed else "failed"
        lines = [f"The {self.report.mode} gate **{word}** on {self.report.created}."]
        loss = self.report.difference(LOSS, CANDIDATE, BASE)
        if loss is not None:
            lines.append(f"Held-out loss against the bare base: {figure(loss)}, paired, {loss.n} examples.")
        lines += [f"- {reason}" for reason in (*self.reasons, *self.report.notes)]
        return "\n".join(lines)

    def figures(self) -> str:
        """For model cards."""
        return figures_table(self.report)


async def gate(
    pack: Pack,
    dataset: Dataset,
    candidate: Adapter,
    promoted: Adapter | None,
    *,
    engine: Engine,
    base: BaseFiles,
    mode: Mode = "quick",
    seconds: float | None = None,
    route: Callable[[str], str | None] | None = None,
    on_progress: Callable[[EvalProgress], None] | None = None,
    encoder: Encoder | None = None,
) -> GateVerdict:
    """Measure and judge. A promoted adapter of another base is no measure and is left out.

    `quick` takes 90 s at most on the embedded base (`seconds` overrides). Raises as `evaluate` does.
    """
    comparable = promoted if promoted and promoted.card.base_digest == base.digest else None
    report = await evaluate(
        pack,
        dataset,
        engine=engine,
        adapter=candidate,
        base=base,
        mode=mode,
        promoted=comparable,
        seconds=seconds,
        route=route,
        on_progress=on_progress,
        encoder=encoder,
    )
    reasons = judge(report, pack.manifest.gate)
    return GateVerdict(not reasons, reasons, report)


def judge(report: EvalReport, rules: Gate) -> tuple[str, ...]:
    """Every reason to refuse the candidate of a report; empty when it passes."""
    return (*_no_gain(report, rules), *_regressions(report, rules), *_below_minimum(report, rules))


def _no_gain(report: EvalReport, rules: Gate) -> tuple[str, ...]:
    """The whole paired interval of candidate − base must lie below −loss_gain."""
    gain = report.difference(LOSS, CANDIDATE, BASE)
    if gain is None:
        return ("the held-out loss was not measured: the pack needs held-out examples",)
    if gain.high < -rules.loss_gain:
        return ()
    wanted = f"entirely below {-rules.loss_gain:g}" if rules.loss_gain else "entirely below 0"
    return (f"held-out loss against the base: {figure(gain)}, the interval must lie {wanted}",)


def _regressions(report: EvalReport, rules: Gate) -> tuple[str, ...]:
    """A metric regresses when it lies more than `regression` below the lower end of the promoted one's
    interval, or when the whole paired interval lies beyond `regression` (the sharper of the two)."""
    promoted, candidate = report.measurement(PROMOTED), report.measurement(CANDIDATE)
    if promoted is None or candidate is None:
        return ()
    reasons = []
    for name, before in promoted.metrics.items():
        now, paired = candidate.metrics.get(name), report.difference(name, CANDIDATE, PROMOTED)
        if now is None:
            continue
        if name in LOWER_IS_BETTER:
            far = now.value > before.high + rules.regression
            clear = paired is not None and paired.low > rules.regression
        else:
            far = now.value < before.low - rules.regression
            clear = paired is not None and paired.high < -rules.regression
        if far or clear:
            reasons.append(f"{name} regressed against the promoted adapter: {figure(before)} → {figure(now)}")
    return tuple(reasons)


def _below_minimum(report: EvalReport, rules: Gate) -> tuple[str, ...]:
    candidate = report.measurement(CANDIDATE)
    found = candidate.metrics if candidate else {}
    reasons = []
    for name, least in sorted(rules.minimum.items()):
        metric = found.get(name)
        if metric is None:
            reasons.append(f"{name} was not measured, the manifest demands at least {least:g} (gate.minimum)")
        elif metric.value < least:
            reasons.append(f"{name} is {figure(metric)}, the manifest demands at least {least:g}")
    return tuple(reasons)
