"""Known faults in a made-up pack: each kind with its precision and recall."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from planted import Planted, build, measured
from senmon.bases.catalog import load_tokenizer, resolve
from senmon.dataset.loading import load_dataset
from senmon.embedding import Encoder
from senmon.evaluation.suite import load_suites
from senmon.packs.loader import load_pack
from senmon.readiness import Readiness, assess
from senmon.rendering import Renderer

#: What letters and digits tell: must be found, and nothing else. Precision, recall.
LEXICAL = (
    "exact_duplicate",
    "near_duplicate",
    "split_leak",
    "suite_leak",
    "intent_conflict",
    "reply_conflict",
    "action_conflict",
    "personal_data",
    "licence",
    "check_failure",
    "too_long",
    "thin_intent",
    "uncovered_action",
    "uncovered_article",
    "uncovered_fact",
    "uncovered_argument",
)
#: What only meaning tells, with what is reached.
SEMANTIC: Mapping[str, tuple[float, float]] = {"suite_leak_reworded": (0.9, 0.8)}
#: Kinds whose findings are about every place that they name.
ABOUT_ALL = ("intent_conflict", "reply_conflict", "action_conflict")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return build(tmp_path_factory.mktemp("planted") / "planted")


@pytest.fixture(scope="module")
def report(planted: Planted) -> Readiness:
    pack = load_pack(planted.folder)
    return assess(
        pack,
        load_dataset(pack),
        load_suites(pack),
        renderer=Renderer(load_tokenizer(resolve())),
        context_tokens=2048,
        encoder=Encoder.find(),
    )


def places(report: Readiness, kind: str) -> set[str]:
    """Where findings of a kind say that something is wrong; what is made up for examples does not count."""
    ones = [
        one
        for one in report.findings.of_kind(kind)
        if not (kind == "personal_data" and one.severity == "note")
    ]
    more = [other for one in ones if kind in ABOUT_ALL for other in one.others]
    return {*(one.place for one in ones), *more}


def test_every_kind_is_found_where_it_was_planted(
    planted: Planted, report: Readiness, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, faults = [], []
    for kind in (*LEXICAL, *SEMANTIC):
        truth, found = planted.truth[kind], places(report, kind)
        right, got, wanted = measured(truth, found)
        precision, recall = right / max(got, 1), right / wanted
        rows.append(
            f"{kind:22} planted {wanted:3}  found {got:3}  precision {precision:.3f}  recall {recall:.3f}"
        )
        least = SEMANTIC.get(kind, (0.95, 0.95))
        if precision < least[0] or recall < least[1]:
            wrong, missed = sorted(found - truth)[:5], sorted(truth - found)[:5]
            faults.append(f"{rows[-1]}\n   wrongly: {wrong}\n   missed: {missed}")
    with capsys.disabled():
        print("\n" + "\n".join(rows))
    assert not faults, "\n".join(faults)


def test_each_kind_has_enough_planted(planted: Planted) -> None:
    assert all(planted.truth[kind] for kind in (*LEXICAL, *SEMANTIC))
    assert sum(len(planted.truth[kind]) for kind in LEXICAL[:8]) >= 150


def test_an_error_keeps_the_pack_from_release(report: Readiness) -> None:
    assert report.score.blocked and report.score.stage.name != "release"
