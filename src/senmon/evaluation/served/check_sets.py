"""How well each check and each oracle tells bad replies from good ones, on labelled sets.

A set is `<check>.jsonl` (default folder `evaluation/checks`): a reply, what was known, whether the check must
flag it. Hard negatives are in it: what looks bad and is fine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from senmon.assistant.release import Splitter
from senmon.checks.protocol import Check, CheckContext
from senmon.checks.registry import available, build_checks
from senmon.errors import DataInvalid, Problem
from senmon.evaluation.metrics import Metric, rate
from senmon.evaluation.oracle.evidence import Said
from senmon.evaluation.oracle.facts import unsupported
from senmon.evaluation.oracle.maths import false_maths
from senmon.evaluation.served.blind import LabelledLine
from senmon.messages import Message, Passage
from senmon.packs.jsonl import read_jsonl
from senmon.packs.manifest import CheckSpec
from senmon.packs.model_problems import field_fault
from senmon.packs.strict import Strict
from senmon.packs.yaml_text import dotted
from senmon.rendering import flatten_facts

FOLDER = Path("evaluation/checks")
#: Which checks, and which oracle, answer for which label.
JUDGES = {"supported": ("grounded", unsupported), "correct": ("maths", false_maths)}


class SetContext(Strict):
    messages: tuple[dict[str, Any], ...] = ()
    passages: tuple[dict[str, Any], ...] = ()
    facts: dict[str, str] = Field(default_factory=dict)
    slots: dict[str, Any] = Field(default_factory=dict)
    released: str = ""
    system: str = ""


class SetLine(Strict):
    """One labelled reply. `flag`: whether the check must refuse it."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    reply: Annotated[str, Field(max_length=4000)]
    flag: bool
    context: SetContext = SetContext()


@dataclass(frozen=True, slots=True)
class Quality:
    """`precision`: of the flagged, those that are bad; `recall`: of the bad, those flagged. None where there
    is nothing to divide by. `tp` … `tn` as usual, bad being positive."""

    name: str
    source: str
    tp: int
    fp: int
    fn: int
    tn: int
    missed: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()

    @property
    def precision(self) -> Metric | None:
        return rate(self.tp, self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> Metric | None:
        return rate(self.tp, self.tp + self.fn) if self.tp + self.fn else None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "source": self.source,
            "n": self.tp + self.fp + self.fn + self.tn,
            "bad": self.tp + self.fn,
            "precision": self.precision.to_json() if self.precision else None,
            "recall": self.recall.to_json() if self.recall else None,
            "missed": list(self.missed),
            "alarms": list(self.alarms),
        }


def check_qualities(folder: Path) -> tuple[Quality, ...]:
    """Every shipped check on its own set; a check without a set has none. Raises DataInvalid."""
    found = []
    for name in available():
        path = folder / f"{name}.jsonl"
        if path.is_file():
            found.append(quality(name, "its own labelled set", _judged(name, load_set(path))))
    return tuple(found)


def unmeasured(folder: Path) -> tuple[str, ...]:
    """Shipped checks without a labelled set."""
    return tuple(name for name in available() if not (folder / f"{name}.jsonl").is_file())


def load_set(path: Path) -> tuple[SetLine, ...]:
    lines, problems = [], []
    for line in read_jsonl(path):
        if line.problem is not None:
            problems.append(line.problem)
        if line.record is None:
            continue
        try:
            lines.append(SetLine.model_validate(line.record))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place, why, remedy = field_fault(SetLine, detail)
                problems.append(Problem(str(path), line.number, dotted(place), why, remedy))
    if problems:
        raise DataInvalid(f"the labelled set has {len(problems)} problem(s)", problems)
    return tuple(lines)


def quality(name: str, source: str, judged: Sequence[tuple[str, bool, bool]]) -> Quality:
    """From (id, bad, flagged)."""
    kinds = ((True, True), (False, True), (True, False), (False, False))
    tp, fp, fn, tn = (sum((bad, flag) == kind for _, bad, flag in judged) for kind in kinds)
    missed = tuple(id for id, bad, flag in judged if bad and not flag)
    alarms = tuple(id for id, bad, flag in judged if flag and not bad)
    return Quality(name, source, tp, fp, fn, tn, missed, alarms)


def _judged(name: str, lines: Sequence[SetLine]) -> list[tuple[str, bool, bool]]:
    checks: dict[str, Check] = {}
    found = []
    for line in lines:
        system = line.context.system
        check = checks.setdefault(system, build_checks([CheckSpec(name=name)], system=system)[0])
        context = CheckContext(
            tuple(Message.from_json(each) for each in line.context.messages),
            tuple(Passage(**each) for each in line.context.passages),
            line.context.facts,
            line.context.slots,
        )
        flagged = check.judge(line.context.released, line.reply, context).outcome != "pass"
        found.append((line.id, line.flag, flagged))
    return found


def blind_qualities(lines: Sequence[LabelledLine]) -> tuple[Quality, ...]:
    """The serving check and the oracle on replies that somebody labelled who knew neither."""
    found = []
    for label, (check, _) in JUDGES.items():
        mine = [line for line in lines if getattr(line.label, label) is not None]
        if mine:
            served = [(line.id, not line.label.good, _refuses(check, line)) for line in mine]
            own = [(line.id, not line.label.good, bool(oracle(line))) for line in mine]
            found += [
                quality(check, "blind replies", served),
                quality(f"oracle of {check}", "blind replies", own),
            ]
    return tuple(found)


def oracle(line: LabelledLine) -> tuple[str, ...]:
    evidence = line.evidence
    if line.label.supported is None:
        return false_maths(line.reply, str(evidence.get("problem") or ""))
    return unsupported(
        line.reply, Said(_texts(evidence, "user"), _texts(evidence, "passages"), _results(evidence))
    )


def _refuses(name: str, line: LabelledLine) -> bool:
    """Whether the check refuses any unit of the reply, as it is released while serving."""
    check = build_checks([CheckSpec(name=name)])[0]
    context = _context(line)
    splitter, said = Splitter(), ""
    for unit in [*splitter.feed(line.reply), splitter.rest()]:
        if unit and check.judge(said, unit, context).outcome != "pass":
            return True
        said += unit
    return False


def _context(line: LabelledLine) -> CheckContext:
    evidence = line.evidence
    messages = [Message("user", text) for text in _texts(evidence, "user")]
    messages += [
        Message("tool", json.dumps(result, ensure_ascii=False), tool_call_id=f"c{at}", name="lookup")
        for at, result in enumerate(_results(evidence))
    ]
    passages = tuple(Passage(f"p{at}", "", text) for at, text in enumerate(_texts(evidence, "passages")))
    facts: dict[str, str] = {}
    for result in _results(evidence):
        facts |= flatten_facts(result)
    problem = evidence.get("problem")
    return CheckContext(tuple(messages), passages, facts, {"problem": problem} if problem else {})


def _texts(evidence: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(each) for each in evidence.get(name) or ())


def _results(evidence: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(each for each in evidence.get("results") or () if isinstance(each, Mapping))
