"""The suite that grows with what went wrong: no adapter may lose what an earlier one had learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from senmon.adapters import Adapter
from senmon.checks.registry import build_checks
from senmon.dataset.example import Dataset
from senmon.embedding import Encoder
from senmon.engines.protocol import Engine
from senmon.evaluation.cases import Case, heldout_cases, suite_cases
from senmon.evaluation.metrics import Metric, rate
from senmon.evaluation.replies import Outcome, answer_all
from senmon.evaluation.suite import load_suites
from senmon.improvement.screening import SUITE
from senmon.packs.pack import Pack


@dataclass(frozen=True, slots=True)
class Answer:
    """One case: what was asked, what both said, and who was right."""

    case: str
    request: str
    before: str
    after: str
    was_right: bool
    is_right: bool


@dataclass(frozen=True, slots=True)
class RegressionVerdict:
    """Passed: the candidate gets at least as many cases right as what is served now."""

    answers: tuple[Answer, ...]

    @property
    def before(self) -> int:
        return sum(one.was_right for one in self.answers)

    @property
    def after(self) -> int:
        return sum(one.is_right for one in self.answers)

    @property
    def passed(self) -> bool:
        return self.after >= self.before

    @property
    def lost(self) -> tuple[Answer, ...]:
        return tuple(one for one in self.answers if one.was_right and not one.is_right)

    @property
    def gained(self) -> tuple[Answer, ...]:
        return tuple(one for one in self.answers if one.is_right and not one.was_right)

    @property
    def rates(self) -> tuple[Metric, Metric] | None:
        """Before and after, with intervals; None without cases."""
        n = len(self.answers)
        return (rate(self.before, n), rate(self.after, n)) if n else None

    @property
    def reason(self) -> str:
        """Why it failed."""
        lost = "; ".join(f"“{one.request[:60]}”" for one in self.lost[:3])
        return f"the regression suite: {self.before} right before, {self.after} now; lost: {lost}"

    def to_json(self) -> dict[str, Any]:
        return {
            "cases": len(self.answers),
            "before": self.before,
            "after": self.after,
            "lost": [one.case for one in self.lost],
            "gained": [one.case for one in self.gained],
            "passed": self.passed,
        }


def regression_cases(pack: Pack, dataset: Dataset) -> tuple[Case, ...]:
    """The items of `eval/regressions.jsonl`, and the last replies of held-out reviewed conversations."""
    items = [item for item in load_suites(pack) if item.source.rpartition(":")[0] == SUITE]
    held = [each for each in dataset.examples if each.split != "train" and each.reviewed]
    last = {f"{each.id}#{len(each.messages) - 1}" for each in held}
    return (*suite_cases(items), *(case for case in heldout_cases(held) if case.id in last))


async def regressions(
    pack: Pack,
    cases: Sequence[Case],
    candidate: Adapter | None,
    promoted: Adapter | None,
    *,
    engine: Engine,
    encoder: Encoder | None = None,
) -> RegressionVerdict:
    """Both answer all cases, greedily. Raises as `answer_all` does."""
    if not cases:
        return RegressionVerdict(())
    checks = build_checks(pack.manifest.checks, system=pack.system)
    sides: list[tuple[Outcome, ...]] = []
    for adapter in (promoted, candidate):
        sides.append(
            await answer_all(pack, cases, engine=engine, adapter=adapter, checks=checks, encoder=encoder)
        )
    return RegressionVerdict(tuple(_answer(case, *pair) for case, *pair in zip(cases, *sides, strict=True)))


def _answer(case: Case, before: Outcome, after: Outcome) -> Answer:
    asked = next((one.content for one in reversed(case.messages) if one.role == "user"), "")
    right = [one.scores.get("faultless") == 1.0 for one in (before, after)]
    return Answer(case.id, asked, _said(before), _said(after), *right)


def _said(outcome: Outcome) -> str:
    return outcome.reply or (f"calls {outcome.call['name']}" if outcome.call else "")
