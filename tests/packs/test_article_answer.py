"""An article's `answer`: read, and refused where it names what the article does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from senmon.errors import PackInvalid
from senmon.packs.article_file import read_article


def article(folder: Path, answer: str) -> Path:
    path = folder / "returns.md"
    path.write_text(
        f"---\ntitle: Returns\nfacts:\n  return_days: 30 days\nanswer: '{answer}'\n---\nWithin 30 days.\n",
        encoding="utf-8",
    )
    return path


def test_it_is_kept_as_written(tmp_path: Path) -> None:
    found = read_article(article(tmp_path, "You have [[article.return_days]]."))
    assert found.answer == "You have [[article.return_days]]."
    assert found.passage().answer == found.answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("You have [[article.days]].", "[[article.days]]"),
        ("See [[order.eta]].", "[[order.eta]]"),
        ("You have [[article.return_days].", "a half reference"),
    ],
)
def test_what_it_can_not_name_is_refused(tmp_path: Path, answer: str, why: str) -> None:
    with pytest.raises(PackInvalid) as raised:
        read_article(article(tmp_path, answer))
    (problem,) = raised.value.problems
    assert (problem.line, problem.field) == (5, "answer")
    assert why in problem.why
    assert "[[article.return_days]]" in problem.remedy
