"""Replies count whole in the loss, what they answer less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.messages import Message
from senmon.pretraining.learner import Learner
from senmon.pretraining.plan import Plan
from senmon.pretraining.reply_weight import ReplyWeight
from senmon.rendering import Renderer

ASKED = ReplyWeight(opened=(1, 20, 21), stops=frozenset({2}), rest=0.25)


def weights(*ids: int) -> list[float]:
    return [float(one) for one in ASKED.of(np.array(ids, dtype=np.uint16))]


def test_a_reply_and_its_end_count_whole() -> None:
    # user turn, assistant turn, user turn
    found = weights(1, 30, 5, 2, 1, 20, 21, 6, 7, 2, 1, 30, 8, 2)
    assert found == [0.25] * 6 + [1.0, 1.0, 1.0] + [0.25] * 4


def test_prose_counts_whole() -> None:
    assert weights(5, 6, 7, 0) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("ids", [(1, 20, 21), (5, 1, 20), (1, 20, 21, 6), (1, 20, 21, 1, 20, 21, 6, 2)])
def test_a_conversation_that_is_cut_anywhere(ids: tuple[int, ...]) -> None:
    found = weights(*ids)
    assert len(found) == len(ids) - 1 and set(found) <= {0.25, 1.0}


def test_with_the_products_own_template(tiny_base: BaseFiles) -> None:
    renderer = Renderer(load_tokenizer(tiny_base))
    opened = tuple(renderer.prompt(()))
    ids = renderer.prompt([Message("user", "Where is it?"), Message("assistant", "On its way.")])
    (stop,) = renderer.stop_ids
    counted = ReplyWeight(opened, renderer.stop_ids, 0.0).of(np.array(ids))
    chosen = [token for token, weight in zip(ids[1:], counted, strict=True) if weight]
    assert renderer.decode(chosen[: chosen.index(stop)]) == "On its way."


def test_a_learner_leaves_out_what_has_no_weight(tiny_base: BaseFiles) -> None:
    renderer = Renderer(load_tokenizer(tiny_base))
    opened = tuple(renderer.prompt(()))
    plan = Plan(tokens=1)

    def learner(rest: float) -> Learner:
        weight = ReplyWeight(opened, renderer.stop_ids, rest)
        return Learner(
            load_model(tiny_base), plan, end=0, device="cpu", precision="fp32", compiled=False, weight=weight
        )

    def row(question: str) -> np.ndarray[Any, Any]:
        return np.array(renderer.prompt([Message("user", question), Message("assistant", "On its way.")]))

    lines = [[row("Where is it?"), row("And the other one?")]]
    whole, count = learner(1.0).step([lines], 0.5, 0)
    replies, same = learner(0.0).step([lines], 0.5, 0)
    plain = learner(0.0)
    weights = plain._weights(lines)
    assert weights is not None and 0 < float(weights.sum()) < count == same
    expected = float(plain.loss(lines, weights)) / float(weights.sum())
    assert replies == pytest.approx(expected, rel=1e-5) and replies != pytest.approx(whole, rel=1e-4)
    assert whole == pytest.approx(float(plain.loss(lines)) / count, rel=1e-5)
