"""Release units: what a check sees, and what goes out at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senmon.assistant.release import LIMIT, Splitter


def units(text: str, step: int = 1) -> list[str]:
    splitter = Splitter()
    found = [
        unit for start in range(0, len(text), step) for unit in splitter.feed(text[start : start + step])
    ]
    return [*found, rest] if (rest := splitter.rest()) else found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is on its way. Anything else?", ["It is on its way. ", "Anything else?"]),
        ("You pay 3.50 now. Fine.", ["You pay 3.50 now. ", "Fine."]),
        ("See e.g. the returns page. Bye.", ["See e.g. the returns page. ", "Bye."]),
        ("1. Open the app\n2. Tap Orders\n", ["1. Open the app\n", "2. Tap Orders\n"]),
        ("It costs [[a.b]]. Good!", ["It costs [[a.b]]. ", "Good!"]),
        ("Look: \\(x = 1. y\\) holds. Yes.", ["Look: \\(x = 1. y\\) holds. ", "Yes."]),
        ('He said "stop." Then left.', ['He said "stop." ', "Then left."]),
    ],
)
def test_units(text: str, expected: list[str]) -> None:
    assert units(text) == expected


@given(st.text(alphabet="ab .!?\n[]1\\()$", max_size=700), st.integers(1, 50))
def test_nothing_is_lost_and_no_unit_is_long(text: str, step: int) -> None:
    found = units(text, step)
    assert "".join(found) == text
    assert all(len(unit.strip()) <= LIMIT for unit in found[:-1] if "[[" not in unit and "$" not in unit)


def test_a_reference_is_never_cut() -> None:
    text = "x" * (LIMIT - 5) + " [[order.a_very_long_reference_name]] and more words follow here"
    assert all(unit.count("[[") == unit.count("]]") for unit in units(text))
