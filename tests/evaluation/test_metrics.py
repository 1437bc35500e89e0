"""Intervals on data whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from senmon.evaluation.metrics import chrf, mean, paired_difference, rate


def test_wilson_interval_of_known_counts() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 15 of 148 gives 0.0624 to 0.1605."""
    assert rate(81, 263).low == pytest.approx(0.2553, abs=5e-5)
    assert rate(81, 263).high == pytest.approx(0.3662, abs=5e-5)
    assert rate(15, 148).low == pytest.approx(0.0624, abs=5e-5)
    assert rate(0, 20).low == 0.0
    assert rate(0, 20).high == pytest.approx(0.1611, abs=5e-5)
    assert rate(29, 29).high == 1.0
    with pytest.raises(ValueError, match="at least one"):
        rate(0, 0)


def test_the_bootstrap_interval_agrees_with_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    found = mean(list(values))
    error = values.std() / math.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert mean(list(values)) == found, "the same seed gives the same interval"


def test_pairing_finds_a_small_difference_in_wide_values() -> None:
    numbers = np.random.default_rng(2)
    base = numbers.normal(0.0, 10.0, size=60)
    better = base - 0.2 + numbers.normal(0.0, 0.1, size=60)
    paired = paired_difference(list(better), list(base))
    assert paired.high < 0
    assert paired.value == pytest.approx(-0.2, abs=0.05)
    assert mean(list(better)).low < mean(list(base)).high, "unpaired intervals overlap"
    none = paired_difference(list(numbers.permutation(base)), list(base))
    assert none.low < 0 < none.high


def test_weights_count_tokens() -> None:
    assert mean([1.0, 3.0], weights=[3, 1]).value == pytest.approx(1.5)
    with pytest.raises(ValueError, match="positive total weight"):
        mean([1.0], weights=[0])


def test_a_single_case_proves_nothing() -> None:
    found = paired_difference([1.0], [2.0])
    assert found.value == -1.0
    assert found.high == math.inf
    assert found.to_json() == {"value": -1.0, "low": None, "high": None, "n": 1}


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same cases"):
        paired_difference([1.0], [1.0, 2.0])


def test_chrf_orders_replies() -> None:
    reference = "We open at 9 am and close at 6 pm."
    assert chrf(reference, reference) == pytest.approx(1.0)
    assert chrf("", reference) == 0.0
    assert chrf("We open at 9 am.", reference) > chrf("The moon is a cold place.", reference)
    assert chrf("We open at 9  am and close at 6 pm .".replace(" .", "."), reference) == pytest.approx(1.0)
