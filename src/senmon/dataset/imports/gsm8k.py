"""GSM8K's word problems (Cobbe et al., arXiv 2110.14168): a question, worked lines, `#### answer`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from senmon.dataset.imports.dialogue import Unfit
from senmon.dataset.imports.imported import Imported, exchange
from senmon.dataset.imports.json_items import json_items
from senmon.errors import Problem

Style = Literal["plain", "tutor"]
INTENT = "word_problem"
LICENCE = "MIT"
ATTRIBUTION = "GSM8K, © 2021 OpenAI"
_MARK = re.compile(r"<<[^<>]{0,200}>>")
_FINAL = re.compile(r"\n?\s*####\s*(\S[^\n]*?)\s*\Z")
_ASK = ("What would you work out next?", "What do you think comes next?", "Can you see the next step?")
_GO_ON = ("What comes next?", "ok, and then?", "I got that. What now?", "Can you help me with the next step?")


@dataclass(frozen=True, slots=True)
class Gsm8kFile:
    """`plain`: the question and its whole worked answer. `tutor`: the same lines, one a turn, each followed
    by a question to the pupil, who asks to go on; the answer comes last."""

    path: Path
    style: Style = "plain"

    def stream(self) -> Iterator[Imported | Problem]:
        for row in json_items(self.path):
            if row.record is None:
                yield row.problem or Problem(str(self.path), row.number, "", "can't be read", "correct it")
                continue
            try:
                yield self._imported(row.number, row.record)
            except Unfit as unfit:
                yield Problem(str(self.path), row.number, *unfit.fault)

    def _imported(self, line: int, row: dict[str, Any]) -> Imported:
        question, steps, answer, marks = worked(row)
        notes = ["calculator marks removed"] if marks else []
        last = f"The answer is {answer}."
        if self.style == "plain":
            messages: Any = exchange(question, "\n".join([*steps, last]))
        else:
            messages = _dialogue(question, steps, last, line)
            notes.append("told in steps, with fixed words of the pupil")
        tags = (f"steps-{len(steps)}", self.style)
        return Imported(str(self.path), line, messages, INTENT, tags, notes=tuple(notes))


def worked(row: dict[str, Any]) -> tuple[str, list[str], str, int]:
    """Question, lines of the solution, final answer, number of calculator marks. Raises Unfit."""
    for name in ("question", "answer"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise Unfit(name, "is missing or empty", "a row has a question and an answer")
    text, marks = _MARK.subn("", row["answer"])
    if "<<" in text or ">>" in text:
        raise Unfit("answer", "has an unclosed calculator mark <<…>>", "close or remove it")
    final = _FINAL.search(text)
    if final is None:
        raise Unfit("answer", "does not end with its answer", "end it with a line such as #### 72")
    steps = [line.strip() for line in text[: final.start()].split("\n") if line.strip()]
    if not steps:
        raise Unfit("answer", "has no line of working", "write the steps before ####")
    return row["question"].strip(), steps, final[1], marks


def _dialogue(question: str, steps: list[str], last: str, seed: int) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = [{"role": "user", "content": question}]
    for index, step in enumerate(steps):
        ends = index == len(steps) - 1
        tail = last if ends else _ASK[(seed + index) % len(_ASK)]
        messages.append({"role": "assistant", "content": f"{step}\n{tail}" if ends else f"{step} {tail}"})
        if not ends:
            messages.append({"role": "user", "content": _GO_ON[(seed + 3 * index) % len(_GO_ON)]})
    return messages
