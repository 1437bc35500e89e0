"""The packs that come with senmon have data that `senmon check` calls free of errors."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from senmon.dataset.loading import load_dataset
from senmon.evaluation.suite import load_suites
from senmon.packs.loader import load_pack
from senmon.readiness.contradiction import answer_findings, intent_findings
from senmon.readiness.privacy import licence_findings, personal_findings
from senmon.readiness.repetition import ExamItem, repetition_findings, suite_leak_findings

DOMAINS = Path(__file__).parents[2] / "domains"


@pytest.mark.parametrize("name", ["support", "tutor"])
def test_no_leak_no_contradiction_nobody_s_data(name: str) -> None:
    pack = load_pack(DOMAINS / name)
    dataset = load_dataset(pack)
    exam = [ExamItem(item.source, item.messages) for item in load_suites(pack)]
    found = chain(
        repetition_findings(dataset),
        suite_leak_findings(dataset, exam),
        intent_findings(dataset),
        answer_findings(dataset),
        personal_findings(pack, dataset),
        licence_findings(pack, dataset),
    )
    assert not [one for one in found if one.severity != "note"]
    share = len(dataset.split("train")) / len(dataset)
    assert 0.8 < share < 0.95
