"""Examples as token rows, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from senmon.errors import DataInvalid, NothingToLearn, Problem
from senmon.messages import Message
from senmon.rendering import IGNORED, Rendered, Renderer

if TYPE_CHECKING:
    from senmon.dataset.example import Example


@dataclass(frozen=True, slots=True)
class Row:
    """One example as tokens. `ids[:cut]` is shared with other rows and is run once for all of them.

    `cut` lies at least one token before the first supervised label: a label is predicted from the hidden
    state before it, which must be a row's own.
    """

    id: str
    intent: str
    ids: tuple[int, ...]
    labels: tuple[int, ...]
    cut: int
    supervised: int
    #: Rows of a group share their prefix.
    group: int

    @property
    def suffix(self) -> int:
        return len(self.ids) - self.cut

    @property
    def shared(self) -> tuple[int, ...]:
        return self.ids[: self.cut]


def make_row(id: str, intent: str, rendered: Rendered, *, share: bool) -> Row:
    first = next(index for index, label in enumerate(rendered.labels) if label != IGNORED)
    cut = max(0, min(rendered.prefix, first - 1)) if share else 0
    group = hash(rendered.ids[:cut])
    return Row(id, intent, rendered.ids, rendered.labels, cut, rendered.supervised, group)


def render_rows(
    renderer: Renderer, prefix: Message, examples: Iterable[Example], *, max_tokens: int, share: bool
) -> tuple[Row, ...]:
    """Render examples behind the pack's static prefix. Raises DataInvalid with every unfit example."""
    rows: list[Row] = []
    problems: list[Problem] = []
    for example in examples:
        try:
            rendered = renderer.example((prefix, *example.messages))
        except NothingToLearn as error:
            problems.append(_problem(example, error.message, error.remedy))
            continue
        if len(rendered.ids) > max_tokens:
            why = f"{len(rendered.ids)} tokens with the prefix, the limit is {max_tokens}"
            problems.append(_problem(example, why, "shorten the example or raise recipe.max_tokens"))
            continue
        rows.append(make_row(example.id, example.intent, rendered, share=share))
    if problems:
        raise DataInvalid("some examples can't be learnt", problems)
    return tuple(rows)


def _problem(example: Example, why: str, remedy: str) -> Problem:
    path, _, line = example.source.rpartition(":")
    return Problem(path or example.source, int(line) if line.isdigit() else 0, "messages", why, remedy)
