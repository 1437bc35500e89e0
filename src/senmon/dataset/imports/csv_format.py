"""CSV with a request and a reply per row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from senmon.dataset.csv_rows import CsvFile, Row
from senmon.dataset.imports.imported import DEFAULT_INTENT, Imported, exchange
from senmon.dataset.imports.tally import PLACEHOLDER
from senmon.dataset.record import MAX_LABEL
from senmon.errors import Problem
from senmon.packs.jsonl import MAX_LINE_BYTES


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what; without an intent column every row is `general`."""

    user: str
    assistant: str
    intent: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.user, self.assistant, *((self.intent,) if self.intent else ()))


def csv_stream(file: CsvFile, columns: Columns) -> Iterator[Imported | Problem]:
    """The rows of `file` as one-turn conversations."""
    path = str(file.path)
    for row in file.rows():
        fault = ("", *row.fault) if row.fault else next(_faults(row, columns), None)
        if fault:
            yield Problem(path, row.line, *fault)
            continue
        reply = PLACEHOLDER.sub(tidy, row.values[columns.assistant].strip())
        label = row.values[columns.intent].strip() if columns.intent else DEFAULT_INTENT
        yield Imported(path, row.line, exchange(row.values[columns.user].strip(), reply), label)


def tidy(match: re.Match[str]) -> str:
    """A placeholder with single spaces."""
    return "{{" + " ".join(match[1].split()) + "}}"


def _faults(row: Row, columns: Columns) -> Iterator[tuple[str, str, str]]:
    for name in columns.names:
        if not row.values[name].strip():
            yield name, "is empty", "fill it in, or leave the row out"
    if "[[" in row.values[columns.assistant] or "]]" in row.values[columns.assistant]:
        yield columns.assistant, "has [[…]], which refers to facts", "write it with single brackets"
    if columns.intent and not is_label(row.values[columns.intent].strip()):
        yield columns.intent, "is not a label", f"use at most {MAX_LABEL} printable characters"
    if sum(len(row.values[name].encode()) for name in columns.names) > MAX_LINE_BYTES // 2:
        yield "", "is too long", "divide the row"


def is_label(text: str) -> bool:
    return bool(text) and len(text) <= MAX_LABEL and text.isprintable()
