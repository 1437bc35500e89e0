"""Rows of a CSV file, streamed, each with its line or its fault."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from senmon.dataset.imports.source_file import check_file
from senmon.errors import DataInvalid, Problem

DELIMITERS = (",", ";", "\t", "|")
MAX_LINE = 1024 * 1024
#: Bytes that were no text, and halves of pairs that some encodings let through.
_UNDECODED = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """`line` is where the row begins. `fault` (what is wrong, what to do) excludes `values`."""

    line: int
    values: Mapping[str, str]
    fault: tuple[str, str] | None = None


class CsvFile:
    """An open CSV file: `columns`, then `rows()` once. Bounded memory, whatever the file's size.

    Raises DataInvalid when the file can't be read, has no header, lacks a wanted column (naming those it
    has) or has an unknown encoding.
    """

    def __init__(self, path: Path, wanted: Sequence[str], *, delimiter: str | None, encoding: str) -> None:
        self.path, self.encoding = path, "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise self.error(0, "delimiter", f"{delimiter!r} can't separate columns", "use one character")
        if self.encoding == "utf-8-sig" and not (path.is_file() and path.stat().st_size == 0):
            check_file(path)
        header = self._header()
        self.delimiter = delimiter or _sniffed(header, wanted)
        self.columns = tuple(name.strip() for name in _fields(header, self.delimiter))
        self._check(wanted)

    def error(self, line: int, field: str, why: str, remedy: str) -> DataInvalid:
        return DataInvalid(
            f"{self.path.name} can't be imported", [Problem(str(self.path), line, field, why, remedy)]
        )

    def rows(self) -> Iterator[Row]:
        """Every row below the header that is not blank."""
        with self._open() as stream:
            reader = csv.reader(self._lines(stream), delimiter=self.delimiter, strict=True)
            end = 0
            while True:
                start = end + 1
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    end = reader.line_num
                    yield Row(start, {}, (f"broken CSV: {error}", "check the quotes of this row"))
                    continue
                end = reader.line_num
                if start > 1 and any(field.strip() for field in fields):
                    yield self._row(start, fields)

    def _row(self, line: int, fields: list[str]) -> Row:
        if len(fields) != len(self.columns):
            why = f"has {len(fields)} fields, the header has {len(self.columns)}"
            return Row(line, {}, (why, "put fields that hold the delimiter in quotes"))
        if any(_UNDECODED.search(field) for field in fields):
            remedy = "save the file as UTF-8, or give its encoding"
            return Row(line, {}, (f"is not {self.encoding.removesuffix('-sig')} text", remedy))
        return Row(line, dict(zip(self.columns, fields, strict=True)))

    def _check(self, wanted: Sequence[str]) -> None:
        available = f"available: {', '.join(_shown(name) for name in self.columns[:40])}"
        faults = [(name, "no such column") for name in wanted if name not in self.columns]
        faults += [(name, "column is there twice") for name in wanted if self.columns.count(name) > 1]
        if faults:
            problems = [Problem(str(self.path), 1, name, why, available) for name, why in faults]
            raise DataInvalid(f"{self.path.name} can't be imported", problems)

    def _open(self) -> io.TextIOWrapper:
        try:
            return self.path.open(encoding=self.encoding, errors="surrogateescape", newline="")
        except OSError as error:
            raise self.error(0, "", f"can't be read: {error.strerror}", "check the path") from error
        except LookupError as error:
            remedy = "use for example utf-8 or cp1252"
            raise self.error(0, "encoding", f"unknown encoding `{self.encoding}`", remedy) from error

    def _header(self) -> str:
        with self._open() as stream:
            header = next(self._lines(stream), "")
        if not header.strip():
            raise self.error(1, "", "has no header", "the first line must name the columns")
        return header

    def _lines(self, stream: io.TextIOWrapper) -> Iterator[str]:
        number = 0
        try:
            while line := stream.readline(MAX_LINE):
                number += 1
                if len(line) >= MAX_LINE:
                    raise self.error(
                        number, "", f"line is longer than {MAX_LINE:,} characters", "is it a CSV file?"
                    )
                yield line
        except UnicodeError as error:
            why = f"is not {self.encoding} text"
            raise self.error(number + 1, "", why, "give the file's encoding") from error
        except OSError as error:
            raise self.error(number + 1, "", f"can't be read: {error.strerror}", "check the disk") from error


def _shown(name: str) -> str:
    return name[:60] if name.isprintable() else ascii(name[:60])


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _sniffed(header: str, wanted: Sequence[str]) -> str:
    """The delimiter under which most wanted columns are found; of equals the one that gives most columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        names = [name.strip() for name in _fields(header, delimiter)]
        return sum(name in names for name in wanted), len(names)

    return max(DELIMITERS, key=fit)
