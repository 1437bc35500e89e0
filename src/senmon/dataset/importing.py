"""A stream of conversations → a pack's data file, all of it or nothing.

`import_stream` is the one writer; `senmon.dataset.imports` holds the formats that feed it and describes the
seam between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO

from senmon.dataset.call_rules import PackRules
from senmon.dataset.csv_rows import CsvFile
from senmon.dataset.imports import gsm8k
from senmon.dataset.imports.bitext import BitextFile
from senmon.dataset.imports.bitext_slots import Style
from senmon.dataset.imports.chat_rows import ChatFile, Reader, conversations
from senmon.dataset.imports.columns_format import TableColumns, pair_row, parquet_rows
from senmon.dataset.imports.csv_format import Columns, csv_stream
from senmon.dataset.imports.dialogue import Dialogue
from senmon.dataset.imports.hf_source import HfSource, chat_reader
from senmon.dataset.imports.imported import LeftOut, Stream
from senmon.dataset.imports.judged import judged
from senmon.dataset.imports.labels import Labels
from senmon.dataset.imports.tally import MAX_INTENTS, Lengths, Tally, ordered
from senmon.dataset.imports.target import Furnish, Target, refusal
from senmon.dataset.imports.toolbox import ToolBox
from senmon.errors import Problem
from senmon.packs.loader import load_pack
from senmon.packs.manifest_file import MANIFEST
from senmon.packs.pack import Pack
from senmon.packs.scaffold import UNKNOWN_LICENCE, NewPack

PROGRESS_ROWS = 1000
MOST_NAMED = 200
Progress = Callable[[int], None]

__all__ = [
    "Columns",
    "ImportReport",
    "Labels",
    "Lengths",
    "Reading",
    "Writing",
    "import_bitext",
    "import_chat",
    "import_csv",
    "import_gsm8k",
    "import_hf",
    "import_parquet",
    "import_rows",
    "import_stream",
    "rules_of",
]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `refused` holds the first 200 problems, `refused_rows` counts all.

    `created`: the pack is new. `changed`: the target's content differs from before. `placeholders` counts
    conversations with a reply that holds `{{…}}`. `rows` were read. `notes` says what was changed on the
    way and in how many conversations; `slots` how many name each value; `splits` how many have a given
    split ("" is chosen later, by hash); `labels` the 200 most frequent intents. `left_out` counts sound
    rows that were not wanted, by reason.
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
    rows: int = 0
    notes: Mapping[str, int] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a CSV file is read. `delimiter` None: found out from the header."""

    delimiter: str | None = None
    encoding: str = "utf-8"
    skip_broken: bool = False
    dry_run: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """How a stream is written. `limit`: only the first rows. `new_pack`: what a new pack says of itself.

    `rules` judge the conversations, in place of those of the pack (the tools of a new pack, for one).
    `furnish` gets the pack's folder after the data was written and before anything appears: it adds what
    the data needs. It must write atomically where the pack is there already.
    """

    skip_broken: bool = False
    dry_run: bool = False
    limit: int | None = None
    new_pack: NewPack | None = None
    rules: PackRules | None = None
    furnish: Furnish | None = None


def import_stream(
    stream: Stream,
    folder: Path,
    origin: str,
    writing: Writing = Writing(),
    on_progress: Progress | None = None,
) -> ImportReport:
    """Writes the conversations of `stream` into `data/<origin>.jsonl` of the pack in `folder`.

    `origin` is the source's name (`faq.csv`): the file is named for it, each line says it, and a repeated
    import of the same origin replaces the file; a file of another origin is never touched. A pack that is
    not there is created in its minimal form. `on_progress` gets the number of rows read, every 1,000 rows.
    Memory does not grow with the stream.

    Raises DataInvalid: rows refused (the first 200 with their places; with `skip_broken` they are left out
    and reported instead), nothing to take, a pack that would grow over its limits, a target that another
    author wrote. PackInvalid when the pack is broken. Nothing is written then.
    """
    target = Target.of(folder, origin)
    new_pack = writing.new_pack or NewPack.of(folder.name)
    rules = writing.rules or target.rules(new_pack.licence)
    tally = Tally()
    with target.opened(writing.dry_run, new_pack, writing.furnish) as sink:
        _write(islice(stream, writing.limit), target, sink, rules, tally, on_progress)
        _check(tally, origin, writing.skip_broken)
    created = target.pack is None and not writing.dry_run
    return _report(tally, target, created=created, dry_run=writing.dry_run)


def _write(
    stream: Stream,
    target: Target,
    sink: IO[str] | None,
    rules: PackRules,
    tally: Tally,
    on_progress: Progress | None,
) -> None:
    for item in stream:
        tally.rows += 1
        if on_progress and tally.rows % PROGRESS_ROWS == 0:
            on_progress(tally.rows)
        if isinstance(item, Problem | LeftOut):
            tally.pass_over(item)
            continue
        found = judged(item, rules, target.origin)
        if isinstance(found, Problem):
            tally.refused.add(found)
            continue
        target.write(sink, found.line, item.path, item.line)
        tally.take(item, found)
        if len(tally.intents) > MAX_INTENTS:
            why = f"has more than {MAX_INTENTS:,} different intents"
            raise refusal(
                target.origin,
                Problem(item.path, item.line, "intent", why, "is this the column of the labels?"),
            )
    if on_progress:
        on_progress(tally.rows)


def _check(tally: Tally, origin: str, skip_broken: bool) -> None:
    if tally.refused.count and not skip_broken:
        raise tally.refused.error(f"{origin}: nothing was imported; correct the rows or skip them")
    if not tally.taken:
        remedy = "check the format, the columns and the delimiter"
        problem = Problem(origin, 0, "", "has no row that can be imported", remedy)
        raise refusal(origin, *tally.refused.kept, problem)


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
    on_progress: Progress | None = None,
    new_pack: NewPack | None = None,
) -> ImportReport:
    """Imports the rows of `source` as one-turn examples into `data/<source>.jsonl` of the pack.

    Raises DataInvalid for an unreadable file and unknown columns (naming those available), and as
    `import_stream` does.
    """
    columns = Columns(user, assistant, intent)
    reading = Reading(delimiter, encoding, skip_broken, dry_run)
    return import_rows(source, pack_folder, columns, reading, on_progress, new_pack)


def import_rows(
    source: Path,
    folder: Path,
    columns: Columns,
    reading: Reading = Reading(),
    on_progress: Progress | None = None,
    new_pack: NewPack | None = None,
) -> ImportReport:
    """`import_csv`, with its options as values."""
    file = CsvFile(source, columns.names, delimiter=reading.delimiter, encoding=reading.encoding)
    writing = Writing(reading.skip_broken, reading.dry_run, reading.limit, new_pack)
    return import_stream(csv_stream(file, columns), folder, source.name, writing, on_progress)


def import_chat(
    source: Path,
    folder: Path,
    reader: Reader,
    writing: Writing = Writing(),
    labels: Labels = Labels(),
    on_progress: Progress | None = None,
) -> ImportReport:
    """Imports a JSON array or JSON Lines file of conversations: `reader` is `openai_row`, `sharegpt_row` or
    `alpaca_row`. A new pack gets the tools of the data, and the system text that all share.
    """
    dialogue = _dialogue(folder, writing)
    stream = ChatFile(source, reader, dialogue, labels).stream()
    return import_stream(stream, folder, source.name, _furnished(writing, dialogue), on_progress)


def import_parquet(
    source: Path,
    folder: Path,
    columns: TableColumns,
    writing: Writing = Writing(),
    labels: Labels = Labels(),
    on_progress: Progress | None = None,
) -> ImportReport:
    """Imports the rows of a Parquet file; a problem's line is the row, counted from 1."""
    dialogue = _dialogue(folder, writing)
    reader = chat_reader(columns.messages) if columns.messages else pair_row(columns)
    rows = parquet_rows(source, columns)
    stream = conversations(rows, str(source), reader, dialogue, labels)
    return import_stream(stream, folder, source.name, _furnished(writing, dialogue), on_progress)


def import_hf(
    source: HfSource,
    folder: Path,
    writing: Writing = Writing(),
    labels: Labels = Labels(),
    on_progress: Progress | None = None,
) -> ImportReport:
    """Imports a source of Hugging Face's `datasets`."""
    dialogue = _dialogue(folder, writing)
    stream = source.stream(dialogue, labels)
    return import_stream(stream, folder, source.origin, _furnished(writing, dialogue), on_progress)


def import_gsm8k(
    source: Path,
    folder: Path,
    style: gsm8k.Style = "plain",
    writing: Writing = Writing(),
    on_progress: Progress | None = None,
) -> ImportReport:
    """Imports GSM8K's word problems, whole or step by step."""
    stream = gsm8k.Gsm8kFile(source, style).stream()
    return import_stream(stream, folder, source.name, writing, on_progress)


def import_bitext(
    source: Path,
    folder: Path,
    style: Style = "facts",
    writing: Writing = Writing(),
    on_progress: Progress | None = None,
) -> ImportReport:
    """Imports Bitext's customer-support CSV; a fifth of it, by hash, is always `test`."""
    file = BitextFile.of(source, style)
    rules, pack = rules_of(folder, writing)
    whole = replace(writing, rules=file.rules(rules, pack), furnish=file.furnish)
    return import_stream(file.stream(), folder, source.name, whole, on_progress)


def rules_of(folder: Path, writing: Writing = Writing()) -> tuple[PackRules, Pack | None]:
    """By what the examples of the pack in `folder` are judged; without a pack there is nothing to call."""
    if (folder / MANIFEST).is_file():
        pack = load_pack(folder)
        return PackRules.of(pack), pack
    licence = writing.new_pack.licence if writing.new_pack else UNKNOWN_LICENCE
    return PackRules({}, {}, {}, licence), None


def _dialogue(folder: Path, writing: Writing) -> Dialogue:
    rules, pack = rules_of(folder, writing)
    return Dialogue(ToolBox(rules, growing=pack is None))


def _furnished(writing: Writing, dialogue: Dialogue) -> Writing:
    return replace(writing, rules=dialogue.box.rules, furnish=dialogue.furnish)


def _report(tally: Tally, target: Target, *, created: bool, dry_run: bool) -> ImportReport:
    return ImportReport(
        target=target.path,
        taken=tally.taken,
        refused=tally.refused.kept,
        refused_rows=tally.refused.count,
        created=created,
        changed=not dry_run and target.changed(),
        placeholders=tally.placeholders,
        intents=len(tally.intents),
        lengths=tally.measured(),
        dry_run=dry_run,
        rows=tally.rows,
        notes=ordered(tally.notes),
        splits=ordered(tally.splits),
        labels=dict(list(ordered(tally.intents).items())[:MOST_NAMED]),
        slots=ordered(tally.slots),
        left_out=ordered(tally.left_out),
    )
