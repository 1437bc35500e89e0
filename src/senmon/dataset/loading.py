"""A pack's data files → Dataset, or every problem with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from senmon.dataset.call_rules import PackRules
from senmon.dataset.example import Dataset, Example, content_key
from senmon.dataset.problem_list import ProblemList
from senmon.dataset.record import Record, read_record
from senmon.dataset.splits import assign_splits, leaks
from senmon.errors import Problem
from senmon.packs.jsonl import read_jsonl
from senmon.packs.pack import Pack


def load_dataset(pack: Pack) -> Dataset:
    """All examples of `pack`, in the order of its files and lines.

    Raises DataInvalid with the first 200 problems and their number: lines that are not JSON, unknown
    fields, conversations out of order, calls that the actions refuse, references to nothing, ids given
    twice, conversations that stand on two sides of a split, no example at all.
    """
    problems = ProblemList()
    records = list(_records(pack, problems))
    for problem in _twice(records):
        problems.add(_located(problem, pack))
    examples = _examples(records, pack.manifest.data.valid_percent)
    for problem in leaks(examples):
        problems.add(_located(problem, pack))
    if not examples and not problems.count:
        path = str(pack.data_files[0]) if pack.data_files else str(pack.path)
        problems.add(Problem(path, 0, "", "holds no example", "write one conversation per line"))
    if problems.count:
        raise problems.error(f"The data of pack `{pack.name}`")
    return Dataset(examples)


def _records(pack: Pack, problems: ProblemList) -> Iterator[Record]:
    rules = PackRules.of(pack)
    for path in pack.data_files:
        for line in read_jsonl(path):
            if line.record is None:
                problems.add(line.problem or Problem(str(path), line.number, "", "can't be read"))
                continue
            record = read_record(line.record, rules, f"{_name(path, pack)}:{line.number}")
            if isinstance(record, Record):
                yield record
                continue
            for field, why, remedy in record:
                problems.add(Problem(str(path), line.number, field, why, remedy))


def _located(problem: Problem, pack: Pack) -> Problem:
    return replace(problem, path=str(pack.path / problem.path))


def _name(path: Path, pack: Pack) -> str:
    return path.relative_to(pack.path).as_posix()


def _twice(records: Sequence[Record]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for record in records:
        if record.id and first.setdefault(record.id, record.source) != record.source:
            path, _, line = record.source.rpartition(":")
            why = f"id `{record.id}` is taken by {first[record.id]}"
            yield Problem(path, int(line), "id", why, "choose another, or leave the id out")


def _examples(records: Sequence[Record], valid_percent: int) -> tuple[Example, ...]:
    splits = assign_splits(records, valid_percent)
    taken = {record.id for record in records}
    examples = []
    for record, split in zip(records, splits, strict=True):
        name = record.id or _free_id(content_key(record.messages, record.intent)[:12], taken)
        taken.add(name)
        examples.append(
            Example(
                id=name,
                messages=record.messages,
                intent=record.intent,
                split=split,
                source=record.source,
                licence=record.licence,
                origin=record.origin,
                tags=record.tags,
                rejected=record.rejected,
            )
        )
    return tuple(examples)


def _free_id(wanted: str, taken: set[str]) -> str:
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name
