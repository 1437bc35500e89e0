"""The gate's rules on figures made up for them."""

from __future__ import annotations

from collections.abc import Mapping

from senmon.evaluation.metrics import Metric
from senmon.evaluation.result import Comparison, EvalReport, Measurement
from senmon.lifecycle import judge
from senmon.packs.manifest import Gate

GAIN = Metric(-0.5, -0.6, -0.4, 100)


def report(
    gain: Metric | None = GAIN,
    candidate: Mapping[str, Metric] | None = None,
    promoted: Mapping[str, Metric] | None = None,
    paired: Mapping[str, Metric] | None = None,
) -> EvalReport:
    measurements = [Measurement("base", None, {}, (), {})]
    if promoted is not None:
        measurements.append(Measurement("promoted", "p", {}, (), promoted))
    measurements.append(Measurement("candidate", "c", {}, (), candidate or {}))
    comparisons = [Comparison("loss", "candidate", "base", gain)] if gain else []
    comparisons += [
        Comparison(name, "candidate", "promoted", value) for name, value in (paired or {}).items()
    ]
    return EvalReport(
        "shop@1", "quick", "embedded", "b", "d", "", 1.0, tuple(measurements), tuple(comparisons), ()
    )


def share(value: float, margin: float = 0.05) -> Metric:
    return Metric(value, value - margin, value + margin, 100)


def test_the_whole_interval_of_the_gain_must_lie_below() -> None:
    assert judge(report(), Gate()) == ()
    (reason,) = judge(report(Metric(-0.5, -1.01, 0.01, 100)), Gate())
    assert "entirely below 0" in reason
    (reason,) = judge(report(), Gate(loss_gain=0.45))
    assert "entirely below -0.45" in reason
    assert judge(report(), Gate(loss_gain=0.39)) == ()
    (reason,) = judge(report(None), Gate())
    assert "not measured" in reason


def test_far_below_the_promoted_interval_is_a_regression() -> None:
    before = {"right": share(0.9)}
    assert judge(report(candidate={"right": share(0.84)}, promoted=before), Gate()) == ()
    (reason,) = judge(report(candidate={"right": share(0.82)}, promoted=before), Gate())
    assert reason.startswith("right regressed")
    assert judge(report(candidate={"right": share(0.82)}, promoted=before), Gate(regression=0.05)) == ()


def test_a_clear_paired_difference_is_a_regression_too() -> None:
    before, now = {"right": share(0.9, 0.2)}, {"right": share(0.85, 0.2)}
    clear = {"right": Metric(-0.05, -0.07, -0.03, 100)}
    unclear = {"right": Metric(-0.05, -0.12, 0.02, 100)}
    assert len(judge(report(candidate=now, promoted=before, paired=clear), Gate())) == 1
    assert judge(report(candidate=now, promoted=before, paired=unclear), Gate()) == ()


def test_loss_regresses_upwards() -> None:
    before = {"loss": share(1.0)}
    assert judge(report(candidate={"loss": share(0.5)}, promoted=before), Gate()) == ()
    assert len(judge(report(candidate={"loss": share(1.5)}, promoted=before), Gate())) == 1


def test_minimums_hold_and_unknown_ones_fail() -> None:
    rules = Gate(minimum={"arguments": 0.9, "references": 0.5})
    reasons = judge(report(candidate={"references": share(0.4)}), rules)
    assert len(reasons) == 2
    assert "arguments was not measured" in reasons[0]
    assert "references is 0.400" in reasons[1]
    assert judge(report(candidate={"references": share(0.5), "arguments": share(0.95)}), rules) == ()
