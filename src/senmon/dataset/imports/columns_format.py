"""Tables whose columns are named: Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senmon.dataset.imports.dialogue import Unfit
from senmon.dataset.imports.source_file import check_file
from senmon.dataset.imports.target import refusal
from senmon.errors import Problem
from senmon.packs.jsonl import JsonLine

_BATCH = 256


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which columns hold what: request and reply, or a whole conversation in `messages`."""

    user: str = ""
    assistant: str = ""
    intent: str = ""
    messages: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        found = (self.messages,) if self.messages else (self.user, self.assistant)
        return tuple(name for name in (*found, self.intent) if name)

    def fault(self, available: Sequence[str]) -> tuple[str, str, str] | None:
        """Why these columns can't be read from a table that has those `available`."""
        known = f"available: {', '.join(str(name)[:60] for name in available[:40])}"
        if not self.messages and not (self.user and self.assistant):
            return "columns", "are not named", f"give --user and --assistant, or --messages; {known}"
        missing = next((name for name in self.names if name not in available), None)
        return (missing, "no such column", known) if missing else None


def pair_row(columns: TableColumns) -> Any:
    """A reader of rows with a request and a reply."""

    def read(row: Mapping[str, Any]) -> tuple[Any, Any]:
        for name in (columns.user, columns.assistant):
            if not isinstance(row.get(name), str) or not row[name].strip():
                raise Unfit(name, "is empty or not text", "fill it in, or leave the row out")
        texts = row[columns.user].strip(), row[columns.assistant].strip()
        return [
            {"role": role, "content": text} for role, text in zip(("user", "assistant"), texts, strict=True)
        ], None

    return read


def parquet_rows(path: Path, columns: TableColumns | None) -> Iterator[JsonLine]:
    """The rows of a Parquet file, counted from 1, in pieces of 256; without `columns`, all of it.

    Raises DataInvalid as a whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_file(path, wanted=b"PAR1")
    try:
        with pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
            wanted = _wanted(path, list(file.schema_arrow.names), columns)
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield JsonLine(number, row)
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        why = f"is not a sound Parquet file: {str(error).splitlines()[0][:200]}"
        raise refusal(path.name, Problem(str(path), 0, "", why, "write or download it again")) from error


def _wanted(path: Path, names: list[str], columns: TableColumns | None) -> list[str] | None:
    if columns is None:
        return None
    if fault := columns.fault(names):
        raise refusal(path.name, Problem(str(path), 0, *fault))
    extra = [name for name in ("tools", "split", "tags", "licence") if name in names]
    return list(dict.fromkeys([*columns.names, *extra]))
