"""The teacher's own problems: `problems/*.csv` and `problems/*.md` beside this package."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .solution import TooHardError
from .solver import solve

FOLDER = Path(__file__).parents[1] / "problems"
MOST = 5000
#: What pupils call a topic → the skills that it covers.
TOPICS: Mapping[str, tuple[str, ...]] = {
    "fractions": ("fractions", "simplifying a fraction"),
    "percentages": ("percentage",),
    "equations": ("linear equation",),
    "quadratics": ("quadratic equation",),
    "brackets": ("expanding brackets",),
    "like terms": ("collecting like terms",),
    "order of operations": ("order of operations",),
    "decimals": ("arithmetic", "order of operations"),
    "sums": ("arithmetic",),
    "expressions": ("collecting like terms", "expanding brackets", "putting numbers in"),
}
_NAMED = (
    (r"quadratic|factoris|factoriz", "quadratics"),
    (r"equation|solving", "equations"),
    (r"fraction", "fractions"),
    (r"per ?cent|%", "percentages"),
    (r"bracket|expand", "brackets"),
    (r"like term", "like terms"),
    (r"order|bodmas|pemdas|bidmas", "order of operations"),
    (r"decimal", "decimals"),
    (r"expression|algebra|simplif", "expressions"),
    (r"sum|arithmetic|adding|subtract|multipl|divi|mental", "sums"),
)


class ListError(Exception):
    """A line of a problem list can't be used. The text names file, line and remedy."""


@dataclass(frozen=True)
class Exercise:
    text: str
    skill: str
    topic: str = ""


def topic_of(words: str) -> str:
    """The topic that a pupil's words name, or an empty text."""
    return next((topic for pattern, topic in _NAMED if re.search(pattern, words.lower())), "")


def pick(words: str, done: Sequence[str], weakest: str = "") -> Exercise | None:
    """The first exercise on the topic that was not done yet; all done: from the start again.

    Without a topic, one for the `weakest` skill, if there is one in the lists.
    """
    found = [one for one in exercises() if _fits(one, words)]
    if not words and weakest:
        found = [one for one in found if one.skill == weakest] or found
    fresh = [one for one in found if one.text not in done]
    return next(iter(fresh or found), None)


def _fits(exercise: Exercise, words: str) -> bool:
    if not words:
        return True
    topic = topic_of(words)
    if topic == "decimals" and "." not in exercise.text:
        return False
    named = exercise.topic.lower() in (words.lower(), topic) if exercise.topic else False
    return named or exercise.skill in TOPICS.get(topic, ())


def exercises() -> tuple[Exercise, ...]:
    files = sorted((*FOLDER.glob("*.csv"), *FOLDER.glob("*.md"))) if FOLDER.is_dir() else []
    return _loaded(tuple((str(path), path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=1)
def _loaded(files: tuple[tuple[str, int], ...]) -> tuple[Exercise, ...]:
    """A changed file is read again; what can't be used is left out here and named by `tools/teacher.py`."""
    found: list[Exercise] = []
    for path, _ in files:
        for problem, topic in _usable(Path(path)):
            try:
                found.append(exercise(problem, topic))
            except TooHardError:
                continue
            if len(found) == MOST:
                return tuple(found)
    return tuple(found)


def _usable(path: Path) -> list[tuple[str, str]]:
    try:
        lines = list(lines_of(path.name, path.read_text(encoding="utf-8-sig")))
    except (ListError, OSError, UnicodeDecodeError, csv.Error):
        return []
    return [(problem, topic) for _, problem, topic in lines]


def exercise(problem: str, topic: str = "") -> Exercise:
    """Raises TooHardError for what the tutor can't lead a pupil through."""
    solution = solve(problem)
    return Exercise(solution.text, solution.skill, topic.strip())


def lines_of(name: str, text: str) -> Iterator[tuple[int, str, str]]:
    """(line, problem, topic) of a list. CSV has the columns `problem` and, if you like, `topic`; in Markdown
    each item of a list is a problem and a heading is the topic of what follows. Raises ListError."""
    if name.endswith(".md"):
        yield from _markdown(text)
        return
    head = text.partition("\n")[0]
    comma = max(",;\t", key=head.count)  # spreadsheets of many countries write semicolons
    rows = csv.DictReader(io.StringIO(text), delimiter=comma)
    rows.fieldnames = [column.strip().lower() for column in rows.fieldnames or ()]
    if "problem" not in rows.fieldnames:
        raise ListError(f"{name}:1: there is no column `problem`; write problem,topic in the first line")
    for row in rows:
        if problem := (row.get("problem") or "").strip():
            yield rows.line_num, problem, row.get("topic") or ""


def _markdown(text: str) -> Iterator[tuple[int, str, str]]:
    topic = ""
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s{0,3}#+\s+(.*)", line):
            topic = heading[1].strip()
        elif item := re.match(r"\s*(?:[-*+]|\d+[.)])\s+(.*\S)", line):
            yield number, item[1].strip("`"), topic
