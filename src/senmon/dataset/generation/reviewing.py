"""A person's decision about generated examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from senmon.dataset.example import Dataset
from senmon.dataset.generation.review_file import (
    Entry,
    accepted_lines,
    add_to_data,
    read_entries,
    write_entries,
)
from senmon.dataset.generation.sieve import Judge, Sieve
from senmon.errors import ConfigError, DataInvalid, Problem
from senmon.packs.atomic import locked_folder
from senmon.packs.pack import Pack


@dataclass(frozen=True, slots=True)
class Decision:
    """`done` were accepted (rejected) now; `before` had been already; `refused` are ids with reasons."""

    done: tuple[str, ...]
    before: tuple[str, ...]
    refused: Mapping[str, str]


def accept(
    pack: Pack, dataset: Dataset, judge: Judge, ids: Sequence[str], *, all_passing: bool = False
) -> Decision:
    """Moves examples into `data/generated.jsonl`; twice is once. `all_passing`: all that wait and pass.

    With `ids` one failing example stops all. Raises DataInvalid then, ConfigError for an unknown id.
    """
    with locked_folder(pack.path):
        entries = read_entries(pack.path)
        chosen = _chosen(entries, ids, all_passing)
        there = accepted_lines(pack.path)
        refused = _refused(
            pack, dataset, judge, [entry for entry in chosen if entry.id not in there], entries
        )
        if refused and not all_passing:
            problems = [
                Problem(id, 0, "", why, "reject it, or correct it in review/") for id, why in refused.items()
            ]
            raise DataInvalid("Nothing was accepted", problems)
        good = [entry for entry in chosen if entry.id not in refused]
        before = tuple(entry.id for entry in good if entry.status == "accepted" and entry.id in there)
        # Data first: a process that dies between the two leaves examples that a second time finds there.
        add_to_data(pack, good)
        marks = {entry.id for entry in good}
        write_entries(pack.path, (e.decided("accepted") if e.id in marks else e for e in entries))
    return Decision(tuple(entry.id for entry in good if entry.id not in before), before, refused)


def reject(pack: Pack, ids: Sequence[str], *, all_waiting: bool = False) -> Decision:
    """Marks examples, so that they are never generated again. What is training data already is refused."""
    with locked_folder(pack.path):
        entries = read_entries(pack.path)
        chosen = _chosen(entries, ids, all_waiting)
        there = accepted_lines(pack.path)
        refused = {
            e.id: "is training data already: remove it from data/generated.jsonl"
            for e in chosen
            if e.id in there
        }
        good = [entry for entry in chosen if entry.id not in refused]
        before = tuple(entry.id for entry in good if entry.status == "rejected")
        marks = {entry.id for entry in good}
        write_entries(pack.path, (e.decided("rejected") if e.id in marks else e for e in entries))
    return Decision(tuple(entry.id for entry in good if entry.id not in before), before, refused)


def faults_of(pack: Pack, dataset: Dataset, judge: Judge, entry: Entry) -> tuple[str, ...]:
    """Everything that speaks against one example, as it would be judged when accepted."""
    near = entry.parent if entry.method == "noise" else ""
    return tuple(Sieve(pack, dataset, judge).faults(entry.record, entry.method, own=entry.id, near=near))


def find(entries: Iterable[Entry], ids: Sequence[str]) -> tuple[Entry, ...]:
    """The entries of these ids (or their beginnings). Raises ConfigError for an unknown or unclear one."""
    found: dict[str, Entry] = {}
    every = tuple(entries)
    for id in ids:
        exact = [entry for entry in every if entry.id == id]
        fit = exact or [
            entry for entry in every if entry.id.startswith(id) or entry.id.startswith(f"gen-{id}")
        ]
        if len(fit) != 1:
            why = "is not in the review file" if not fit else f"fits {len(fit)} examples"
            raise ConfigError(f"{id} {why}", remedy="`senmon review list` shows the ids")
        found[fit[0].id] = fit[0]
    return tuple(found.values())


def _chosen(entries: Sequence[Entry], ids: Sequence[str], all_waiting: bool) -> tuple[Entry, ...]:
    if bool(ids) == all_waiting:
        raise ConfigError("name ids, or all: one of the two", remedy="`senmon review list` shows the ids")
    return tuple(e for e in entries if e.status == "waiting") if all_waiting else find(entries, ids)


def _refused(
    pack: Pack, dataset: Dataset, judge: Judge, chosen: Sequence[Entry], entries: Sequence[Entry]
) -> dict[str, str]:
    """Judged anew: data, articles and checks may have changed since; and against each other."""
    sieve = Sieve(pack, dataset, judge)
    refused = {}
    for entry in chosen:
        near = entry.parent if entry.method == "noise" else ""
        why = next(iter(sieve.faults(entry.record, entry.method, own=entry.id, near=near)), "")
        if why:
            refused[entry.id] = why
        else:
            sieve.know(entry.request, entry.id)
    return refused
