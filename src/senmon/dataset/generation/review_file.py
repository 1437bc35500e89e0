"""`review/generated.jsonl` of a pack: what was generated, and what a person decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from senmon.errors import DataInvalid, Problem
from senmon.packs.atomic import replaced_file
from senmon.packs.inventory import fits
from senmon.packs.jsonl import read_jsonl
from senmon.packs.manifest_file import MANIFEST
from senmon.packs.pack import Pack

REVIEW = "review/generated.jsonl"
ACCEPTED = "data/generated.jsonl"
Status = Literal["waiting", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A generated example (`record` is its data line) and its status."""

    record: Mapping[str, Any]
    status: Status = "waiting"

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def intent(self) -> str:
        return str(self.record["intent"])

    @property
    def origin(self) -> str:
        return str(self.record["origin"])

    @property
    def method(self) -> str:
        return self.origin.split(":")[1]

    @property
    def parent(self) -> str:
        return self.origin.split(":", 3)[3]

    @property
    def request(self) -> str:
        messages = self.record["messages"]
        return next((str(each.get("content")) for each in messages if each.get("role") == "user"), "")

    def decided(self, status: Status) -> Entry:
        return replace(self, status=status)

    def line(self) -> str:
        return json.dumps({"status": self.status, "example": dict(self.record)}, ensure_ascii=False) + "\n"


def read_entries(pack: Path) -> tuple[Entry, ...]:
    """The entries in order; none when nothing was generated. Raises DataInvalid with every broken line."""
    path = pack / REVIEW
    if not path.exists():
        return ()
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    for line in read_jsonl(path):
        why = line.problem.why if line.problem else _fault(line.record or {})
        if why:
            problems.append(Problem(str(path), line.number, "", why, "correct the line, or remove it"))
        else:
            entry = Entry((line.record or {})["example"], (line.record or {})["status"])
            entries.setdefault(entry.id, entry)
    if problems:
        raise DataInvalid("The review file can't be read", problems[:200])
    return tuple(entries.values())


def write_entries(pack: Path, entries: Iterable[Entry]) -> None:
    """All of them, or (when the process dies) those that were there."""
    with replaced_file(pack / REVIEW) as file:
        file.writelines(entry.line() for entry in entries)


def accepted_lines(pack: Path) -> dict[str, str]:
    """Id → line of the accepted examples that are training data already."""
    path = pack / ACCEPTED
    lines = read_jsonl(path) if path.exists() else iter(())
    return {
        str(line.record.get("id")): json.dumps(line.record, ensure_ascii=False)
        for line in lines
        if line.record
    }


def add_to_data(pack: Pack, entries: Iterable[Entry]) -> int:
    """Appends what is not there yet to `data/generated.jsonl` in one step. How many were added.

    Raises DataInvalid when the pack would not read that file.
    """
    if not any(fits(ACCEPTED, pattern) for pattern in pack.manifest.data.train):
        why = f"{ACCEPTED} fits none of data.train"
        problem = Problem(str(pack.path / MANIFEST), 0, "data.train", why, "add data/*.jsonl")
        raise DataInvalid("Nothing was accepted", [problem])
    there = accepted_lines(pack.path)
    new = [entry for entry in entries if entry.id not in there]
    if new:
        with replaced_file(pack.path / ACCEPTED) as file:
            file.writelines(_text(pack.path / ACCEPTED))
            file.writelines(json.dumps(entry.record, ensure_ascii=False) + "\n" for entry in new)
    return len(new)


def _text(path: Path) -> Iterator[str]:
    """The lines that are there, letter by letter."""
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for line in file:
                yield line if line.endswith("\n") else f"{line}\n"


def _fault(data: Mapping[str, Any]) -> str:
    example = data.get("example")
    if set(data) != {"status", "example"} or data.get("status") not in get_args(Status):
        return 'is not {"status": "waiting" | "accepted" | "rejected", "example": {…}}'
    if not isinstance(example, dict) or not isinstance(example.get("messages"), list):
        return "its example has no messages"
    if not all(isinstance(message, dict) for message in example["messages"]):
        return "its messages are not objects"
    origin = example.get("origin")
    if not isinstance(origin, str) or not origin.startswith("generated:") or origin.count(":") < 3:
        return "its origin is not generated:<method>:<seed>:<parent>"
    texts = (example.get("id"), example.get("intent"))
    return "" if all(isinstance(text, str) and text for text in texts) else "its id or intent is missing"
