"""Thresholds, choice of examples, features and built-in messages, each by itself."""

import numpy as np
import pytest

from senmon.routing.calibration import HIGHEST, threshold, thresholds
from senmon.routing.continuation import continuation
from senmon.routing.features import Vocabulary, plain
from senmon.routing.out_of_scope import topics
from senmon.routing.selection import held_out, select


def test_the_threshold_keeps_what_it_promises() -> None:
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(300):
        scores = rng.beta(2, 5, size=240).astype(np.float32)
        limit = threshold(scores[:120], 0.9)
        assert limit is not None
        kept.append((scores[120:] >= limit).mean())
    assert np.mean(kept) >= 0.895  # 0.9008 expected, standard error 0.002
    assert np.mean(kept) < 0.93


def test_few_scores_give_no_quantile_but_a_cautious_threshold() -> None:
    few = np.array([0.3, 0.35], dtype=np.float32)
    many = np.linspace(0.1, 1, 200, dtype=np.float32)
    assert threshold(few) is None
    tiny, big = thresholds([few, many])
    assert tiny <= 0.3 * 0.8 + 1e-6
    assert big == pytest.approx(0.14, abs=0.02)
    assert thresholds([np.zeros(0, dtype=np.float32)]) == (HIGHEST / 2,)
    assert thresholds([]) == ()


def test_a_threshold_never_gets_out_of_reach_of_other_wordings() -> None:
    assert threshold(np.full(100, 0.99, dtype=np.float32)) == HIGHEST


def test_selection_is_bounded_even_and_independent_of_order() -> None:
    examples = {1: [f"text {'a' * number}" for number in range(300)], 2: ["only one", "Only  ONE"]}
    chosen = select(examples, limit=50)
    assert chosen == select({label: texts[::-1] for label, texts in examples.items()}, limit=50) or {
        (one.label, plain(one.text)) for one in chosen
    } == {
        (one.label, plain(one.text))
        for one in select({2: ["Only  ONE", "only one"], 1: examples[1]}, limit=50)
    }
    assert sum(one.label == 1 for one in chosen) == 49
    assert sum(one.label == 2 for one in chosen) == 1
    assert 6 <= sum(held_out(chosen)) <= 10


def test_ids_that_differ_in_digits_only_are_one_example() -> None:
    assert len(select({1: ["order 1234", "order 9876", "order 12"]})) == 2


def test_rows_have_norm_one_or_none() -> None:
    vocabulary = Vocabulary.learn(["where is my order", "solve for x", "my order"])
    columns, weights = vocabulary.row("Where IS my order?")
    assert np.linalg.norm(weights) == pytest.approx(1, abs=1e-5)
    assert len(columns) == len(set(columns.tolist()))
    assert len(vocabulary.row("ЖЖЖ")[0]) == 0
    dense = vocabulary.matrix(["where is my order", "ЖЖЖ"]).toarray()
    assert dense[0] @ dense[0] == pytest.approx(1, abs=1e-5)
    assert not dense[1].any()


def test_the_built_in_messages_are_many_and_varied() -> None:
    found = topics()
    assert len(found) >= 20
    messages = [text for texts in found.values() for text in texts]
    assert len(set(messages)) == len(messages) >= 150


@pytest.mark.parametrize(
    "text",
    [
        "yes please",
        "why is that?",
        "2x = 8",
        "no, not that one",
        "#4411",
        "it's 3/4",
        "go on",
        "what's next?",
    ],
)
def test_continuations(text: str) -> None:
    assert continuation(text)


@pytest.mark.parametrize(
    "text",
    [
        "where is my order",
        "what is the weather",
        "solve an equation",
        "no, I need to reset my bank password now",
    ],
)
def test_subjects(text: str) -> None:
    assert continuation(text) is None
