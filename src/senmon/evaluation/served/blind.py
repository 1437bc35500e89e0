"""Blind material: what was written by somebody who had not seen the training data, frozen by its digests.

A folder (default `evaluation/blind`) holds, as JSON Lines, `<pack>-requests.jsonl`, `<pack>-turns.jsonl`,
`offtopic.jsonl` and `replies-labelled.jsonl`; `DIGESTS` has the sha256 of each (`sha256sum` format).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from senmon.errors import DataInvalid, Problem
from senmon.packs.jsonl import read_jsonl
from senmon.packs.model_problems import field_fault
from senmon.packs.strict import Strict
from senmon.packs.yaml_text import dotted

FOLDER = Path("evaluation/blind")
DIGESTS = "DIGESTS"
REMEDY = "see docs/evaluation.md"
Text = Annotated[str, Field(min_length=1, max_length=4000)]


def _said(history: object) -> object:
    """The visitor's part of a history: what was answered is said anew, by the assistant that is measured."""
    if not isinstance(history, list):
        return history
    return [
        turn if isinstance(turn, str) else turn.get("content", "")
        for turn in history
        if isinstance(turn, str) or (isinstance(turn, dict) and turn.get("role", "user") == "user")
    ]


History = Annotated[tuple[Text, ...], BeforeValidator(_said), Field(max_length=30)]


class Wanted(Strict):
    """The right reaction: an action with arguments, or an article; `alternatives` are as good."""

    action: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    article: str | None = None
    alternatives: tuple[Any, ...] = ()


class RequestLine(Strict):
    id: Text
    customer: str | None = None
    history: History = ()
    text: Text
    expect: Wanted


class TurnWanted(Strict):
    kind: Text
    problem: str | None = None
    answer: str | None = None
    step: bool = False
    exercise: bool = False


class TurnLine(Strict):
    id: Text
    history: History = ()
    text: Text
    expect: TurnWanted


class OfftopicLine(Strict):
    id: Text
    pack: Text
    history: History = ()
    text: Text


class Label(Strict):
    supported: bool | None = None
    correct: bool | None = None

    @property
    def good(self) -> bool:
        return bool(self.correct if self.supported is None else self.supported)


class LabelledLine(Strict):
    """A reply, what it could rest on, and whether it is right by a person's judgement."""

    id: Text
    pack: Text
    evidence: dict[str, Any] = Field(default_factory=dict)
    reply: Annotated[str, Field(max_length=4000)]
    label: Label
    why: str = ""


Line = TypeVar("Line", RequestLine, TurnLine, OfftopicLine, LabelledLine)
KINDS: Mapping[str, type[BaseModel]] = {
    "requests": RequestLine,
    "turns": TurnLine,
    "offtopic": OfftopicLine,
    "replies-labelled": LabelledLine,
}


@dataclass(frozen=True, slots=True)
class Blind:
    """The blind material for one pack. `digests` of the files that it came from."""

    requests: tuple[RequestLine, ...] = ()
    turns: tuple[TurnLine, ...] = ()
    offtopic: tuple[OfftopicLine, ...] = ()
    labelled: tuple[LabelledLine, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def load_blind(folder: Path, pack: str) -> Blind:
    """Whatever there is for a pack; files that are not there are empty. Raises DataInvalid with every
    problem, also when a file is not the one that was frozen."""
    problems: list[Problem] = []
    names = {kind: kind if kind in ("offtopic", "replies-labelled") else f"{pack}-{kind}" for kind in KINDS}
    paths = {kind: folder / f"{name}.jsonl" for kind, name in names.items()}
    found = {kind: path for kind, path in paths.items() if path.is_file()}
    digests = {path.name: file_digest(path) for path in found.values()}
    problems += _thawed(folder, digests)
    lines = {kind: _read(found[kind], KINDS[kind], problems) if kind in found else () for kind in KINDS}
    if problems:
        raise DataInvalid(f"the blind material has {len(problems)} problem(s)", problems)
    return Blind(
        requests=tuple(lines["requests"]),
        turns=tuple(lines["turns"]),
        offtopic=tuple(line for line in lines["offtopic"] if line.pack == pack),
        labelled=tuple(line for line in lines["replies-labelled"] if line.pack == pack),
        digests=digests,
    )


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def frozen(folder: Path) -> dict[str, str]:
    """File name → digest as it was frozen; empty when nothing was."""
    path = folder / DIGESTS
    if not path.is_file():
        return {}
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {row[1].lstrip("*"): row[0] for row in rows if len(row) == 2}


def _thawed(folder: Path, digests: Mapping[str, str]) -> list[Problem]:
    kept = frozen(folder)
    return [
        Problem(
            str(folder / name), 0, "", "is not the file that was frozen",
            f"restore it, or freeze a new one in {DIGESTS} before anything is tuned",
        )
        for name, digest in digests.items()
        if name in kept and kept[name] != digest
    ]  # fmt: skip


def _read(path: Path, model: type[BaseModel], problems: list[Problem]) -> Sequence[Any]:
    found: dict[str, Any] = {}
    for line in read_jsonl(path):
        if line.problem is not None:
            problems.append(line.problem)
        if line.record is None:
            continue
        try:
            read: Any = model.model_validate(line.record)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place, why, remedy = field_fault(model, detail)
                problems.append(Problem(str(path), line.number, dotted(place), why, remedy))
            continue
        if read.id in found:
            why = f"id {read.id!r} is used twice"
            problems.append(Problem(str(path), line.number, "id", why, "give each line its own id"))
        found[read.id] = read
    return tuple(found.values())


#: Which judgement a labelled reply carries.
Judged = Literal["supported", "correct"]
