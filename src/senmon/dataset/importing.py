"""CSV with a request and a reply per row → a pack's data file, all of it or nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from senmon.dataset.csv_rows import CsvFile, Row
from senmon.dataset.problem_list import ProblemList
from senmon.errors import DataInvalid, Problem
from senmon.packs.atomic import new_folder, replaced_file
from senmon.packs.inventory import fits
from senmon.packs.jsonl import MAX_LINE_BYTES, read_jsonl
from senmon.packs.loader import load_pack
from senmon.packs.manifest_file import MANIFEST
from senmon.packs.scaffold import NewPack, write_minimal

PLACEHOLDER = re.compile(r"\{\{([^{}]{1,80})\}\}")
DEFAULT_INTENT = "general"
PROGRESS_ROWS = 1000
_PIECE = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of the replies in words and punctuation marks: about ¾ of a tokenizer's count."""

    median: int = 0
    p95: int = 0
    longest: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `refused` holds the first 200 problems, `refused_rows` counts all.

    `created`: the pack is new. `changed`: the target's content differs from before. `placeholders` counts
    rows whose reply holds `{{…}}`.
    """

    target: Path
    taken: int
    refused: tuple[Problem, ...]
    refused_rows: int
    created: bool
    changed: bool
    placeholders: int
    intents: int
    lengths: Lengths
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what; without an intent column every row is `general`."""

    user: str
    assistant: str
    intent: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.user, self.assistant, *((self.intent,) if self.intent else ()))


@dataclass(frozen=True, slots=True)
class Reading:
    """How the file is read. `delimiter` None: found out from the header."""

    delimiter: str | None = None
    encoding: str = "utf-8"
    skip_broken: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class _Tally:
    refused: ProblemList = field(default_factory=ProblemList)
    taken: int = 0
    placeholders: int = 0
    intents: set[str] = field(default_factory=set)
    lengths: Counter[int] = field(default_factory=Counter)


def import_csv(
    source: Path,
    pack_folder: Path,
    *,
    user: str,
    assistant: str,
    intent: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    skip_broken: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int], None] | None = None,
    new_pack: NewPack | None = None,
) -> ImportReport:
    """Imports the rows of `source` as one-turn examples into `data/<source>.jsonl` of the pack.

    A pack that is not there yet is created in its minimal form (`new_pack`: title, licence and so on). A
    repeated import replaces the same file. `on_progress` gets the number of rows read, every 1,000 rows.
    Streams: memory does not grow with the file.

    Raises DataInvalid: unreadable file, unknown columns (naming those available), broken rows (the first
    200 with their lines; with `skip_broken` they are left out and reported instead), no row at all; or a
    target that another author wrote. PackInvalid when the pack is broken. Nothing is written then.
    """
    columns = Columns(user, assistant, intent)
    reading = Reading(delimiter, encoding, skip_broken, dry_run)
    return import_rows(source, pack_folder, columns, reading, on_progress, new_pack)


def import_rows(
    source: Path,
    folder: Path,
    columns: Columns,
    reading: Reading = Reading(),
    on_progress: Callable[[int], None] | None = None,
    new_pack: NewPack | None = None,
) -> ImportReport:
    """`import_csv`, with its options as values."""
    file = CsvFile(source, columns.names, delimiter=reading.delimiter, encoding=reading.encoding)
    tally = _Tally()
    name = f"data/{_slug(source.stem)}.jsonl"
    target = folder / name
    created = not (folder / MANIFEST).is_file()
    before = _fingerprint(target)
    if not created:
        _check_target(folder, name, source)
    with _sink(folder, name, created, reading.dry_run, new_pack) as sink:
        for line in _lines(file, columns, tally, on_progress):
            if sink is not None:
                sink.write(line)
        _check_tally(tally, source, reading.skip_broken)
    changed = not reading.dry_run and _fingerprint(target) != before
    return _report(tally, target, created=created, changed=changed, dry_run=reading.dry_run)


@contextmanager
def _sink(
    folder: Path, name: str, created: bool, dry_run: bool, new_pack: NewPack | None
) -> Iterator[IO[str] | None]:
    """Where the lines go: nowhere, into a new pack that appears whole, or over the file of an old one."""
    if dry_run:
        yield None
    elif created:
        with new_folder(folder) as temporary:
            write_minimal(temporary, new_pack or NewPack.of(folder.name))
            with replaced_file(temporary / name) as file:
                yield file
    else:
        with replaced_file(folder / name) as file:
            yield file


def _lines(
    file: CsvFile, columns: Columns, tally: _Tally, on_progress: Callable[[int], None] | None
) -> Iterator[str]:
    count = 0
    for row in file.rows():
        count += 1
        line = _line(row, columns, file.path, tally)
        if line:
            tally.taken += 1
            yield line
        if on_progress and count % PROGRESS_ROWS == 0:
            on_progress(count)
    if on_progress:
        on_progress(count)


def _line(row: Row, columns: Columns, path: Path, tally: _Tally) -> str | None:
    """The data line of a row; None when it is refused, which the tally notes."""
    faults = [("", *row.fault)] if row.fault else list(_faults(row, columns))
    for name, why, remedy in faults[:1]:
        tally.refused.add(Problem(str(path), row.line, name, why, remedy))
    if faults:
        return None
    reply, found = PLACEHOLDER.subn(_tidy, row.values[columns.assistant].strip())
    label = row.values[columns.intent].strip() if columns.intent else DEFAULT_INTENT
    tally.placeholders += bool(found)
    tally.intents.add(label)
    tally.lengths[len(_PIECE.findall(reply))] += 1
    return _json(row.values[columns.user].strip(), reply, label, path.name)


def _json(request: str, reply: str, intent: str, origin: str) -> str:
    messages = [{"role": "user", "content": request}, {"role": "assistant", "content": reply}]
    record = {"messages": messages, "intent": intent, "origin": origin}
    return json.dumps(record, ensure_ascii=False) + "\n"


def _faults(row: Row, columns: Columns) -> Iterator[tuple[str, str, str]]:
    for name in columns.names:
        if not row.values[name].strip():
            yield name, "is empty", "fill it in, or leave the row out"
    if "[[" in row.values[columns.assistant] or "]]" in row.values[columns.assistant]:
        yield columns.assistant, "has [[…]], which refers to facts", "write it with single brackets"
    if columns.intent:
        label = row.values[columns.intent].strip()
        if len(label) > 80 or not label.isprintable():
            yield columns.intent, "is not a label", "use at most 80 printable characters"
    if sum(len(row.values[name].encode()) for name in columns.names) > MAX_LINE_BYTES // 2:
        yield "", "is too long", "divide the row"


def _tidy(match: re.Match[str]) -> str:
    return "{{" + " ".join(match[1].split()) + "}}"


def _check_tally(tally: _Tally, source: Path, skip_broken: bool) -> None:
    if tally.refused.count and not skip_broken:
        raise tally.refused.error(f"{source.name}: nothing was imported; correct the rows or skip them")
    if not tally.taken:
        remedy = "check the columns and the delimiter"
        problem = Problem(str(source), 0, "", "has no row that can be imported", remedy)
        raise DataInvalid(f"{source.name}: nothing was imported", [*tally.refused.kept, problem])


def _check_target(folder: Path, name: str, source: Path) -> None:
    """The file must be one that the pack reads, and not somebody else's."""
    patterns = load_pack(folder).manifest.data.train
    target = folder / name
    if not any(fits(name, pattern) for pattern in patterns):
        why = f"{name} fits none of data.train ({', '.join(patterns)})"
        raise _refused(source, Problem(str(folder / MANIFEST), 0, "data.train", why, "add data/*.jsonl"))
    first = next(read_jsonl(target), None) if target.exists() else None
    if first is not None and (first.record or {}).get("origin") != source.name:
        why = f"was not made by an import of {source.name}"
        raise _refused(source, Problem(str(target), 1, "origin", why, "rename one of the two files"))


def _refused(source: Path, problem: Problem) -> DataInvalid:
    return DataInvalid(f"{source.name}: nothing was imported", [problem])


def _fingerprint(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _slug(stem: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "imported"


def _report(tally: _Tally, target: Path, *, created: bool, changed: bool, dry_run: bool) -> ImportReport:
    return ImportReport(
        target=target,
        taken=tally.taken,
        refused=tally.refused.kept,
        refused_rows=tally.refused.count,
        created=created and not dry_run,
        changed=changed,
        placeholders=tally.placeholders,
        intents=len(tally.intents),
        lengths=_lengths(tally.lengths),
        dry_run=dry_run,
    )


def _lengths(counts: Counter[int]) -> Lengths:
    total = sum(counts.values())
    return Lengths(_quantile(counts, total, 0.5), _quantile(counts, total, 0.95), max(counts, default=0))


def _quantile(counts: Counter[int], total: int, share: float) -> int:
    seen = 0
    for length in sorted(counts):
        seen += counts[length]
        if seen >= share * total:
            return length
    return 0
