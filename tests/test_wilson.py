"""The interval of a share."""

from __future__ import annotations

import pytest

from senmon.wilson import wilson


def test_wilson_agrees_with_the_textbook() -> None:
    low, high = wilson(95, 100)
    assert (round(low, 4), round(high, 4)) == (0.8882, 0.9785)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one case"):
        wilson(0, 0)
