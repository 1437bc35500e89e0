"""`senmon import`: data in other formats → a pack's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from senmon.cli import importing_knowledge, output
from senmon.cli.importing_options import (
    Credit,
    Delimiter,
    Dry,
    Encoding,
    Intent,
    IntentField,
    Json,
    Label,
    Licence,
    Limit,
    MaybeReply,
    MaybeUser,
    Messages,
    PackName,
    Reply,
    Skip,
    Source,
    Title,
    User,
    pack_folder,
)

if TYPE_CHECKING:
    from senmon.dataset.importing import ImportReport, Labels, Writing
    from senmon.dataset.imports.chat_rows import Reader
    from senmon.packs.scaffold import NewPack

app = typer.Typer(
    help="Import data into a pack; a pack that is not there is made.\n\n"
    "Every import takes all rows or none: broken rows are listed with file, line and remedy, and nothing is "
    "written, unless `--skip-broken` leaves them out. `--dry-run` only reports. The same source again "
    "replaces its own earlier import."
)
app.command("markdown")(importing_knowledge.markdown)
app.command("html")(importing_knowledge.html)
app.command("faq")(importing_knowledge.faq)

SHOWN = 20
NAMED = 12


@app.callback()
def root() -> None:
    """Import data into a pack; a pack that is not there is made."""


@app.command("csv")
def import_csv(
    source: Source,
    pack: PackName,
    user: User,
    assistant: Reply,
    intent: Intent = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import a CSV file with a request and a reply per row, all of it or nothing."""
    from senmon.dataset import importing

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence, attribution)
    columns = importing.Columns(user, assistant, intent)
    reading = importing.Reading(_character(delimiter), encoding, skip_broken, dry_run, limit)
    with progress(source.name) as count:
        report = importing.import_rows(source, wish.folder, columns, reading, count, wish.new_pack)
    show(report, json)


@app.command("parquet")
def import_parquet(
    source: Source,
    pack: PackName,
    user: MaybeUser = "",
    assistant: MaybeReply = "",
    messages: Messages = "",
    intent: IntentField = None,
    label: Label = None,
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import a Parquet file: a request and a reply per row, or a column of whole conversations."""
    from senmon.dataset import importing
    from senmon.dataset.imports.columns_format import TableColumns

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence, attribution)
    columns = TableColumns(user, assistant, intent or "", messages)
    with progress(source.name) as count:
        report = importing.import_parquet(
            source, wish.folder, columns, wish.writing(), _labels(intent, label), count
        )
    show(report, json)


@app.command("alpaca")
def import_alpaca(
    source: Source,
    pack: PackName,
    intent: IntentField = None,
    label: Label = None,
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import Alpaca's format: JSON list or JSON Lines of instruction, input, output."""
    from senmon.dataset.imports.chat_rows import alpaca_row

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence, attribution)
    _chat(source, wish, alpaca_row, _labels(intent, label), json)


@app.command("sharegpt")
def import_sharegpt(
    source: Source,
    pack: PackName,
    intent: IntentField = None,
    label: Label = None,
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import ShareGPT's format: conversations of from and value, also with calls and observations."""
    from senmon.dataset.imports.chat_rows import sharegpt_row

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence, attribution)
    _chat(source, wish, sharegpt_row, _labels(intent, label), json)


@app.command("openai")
def import_openai(
    source: Source,
    pack: PackName,
    intent: IntentField = None,
    label: Label = None,
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import OpenAI's chat format: JSON Lines (or a list) of messages, also with tools and tool calls."""
    from senmon.dataset.imports.chat_rows import openai_row

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence, attribution)
    _chat(source, wish, openai_row, _labels(intent, label), json)


@app.command("hf")
def import_hf(
    source: Annotated[str, typer.Argument(help="Folder of data files, saved dataset, or hub id.")],
    pack: PackName,
    split: Annotated[
        str | None, typer.Option("--split", help="One split. Default: all, as they are.")
    ] = None,
    subset: Annotated[str | None, typer.Option("--subset", help="Configuration of the dataset.")] = None,
    user: MaybeUser = "",
    assistant: MaybeReply = "",
    messages: Messages = "",
    intent: IntentField = None,
    label: Label = None,
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import a dataset of Hugging Face's `datasets`: a local folder, a saved dataset, or a name on the hub.

    Columns called messages, conversations, or instruction and output are found by themselves. Only data is
    read (JSON, CSV, Parquet, Arrow): no code, no pickle, no archive.
    """
    from senmon.dataset import importing
    from senmon.dataset.imports.columns_format import TableColumns
    from senmon.dataset.imports.hf_source import HfSource

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence, attribution)
    place = HfSource(source, split, TableColumns(user, assistant, intent or "", messages), subset)
    with progress(source) as count:
        report = importing.import_hf(place, wish.folder, wish.writing(), _labels(intent, label), count)
    show(report, json)


@app.command("gsm8k")
def import_gsm8k(
    source: Source,
    pack: PackName,
    style: Annotated[
        Literal["plain", "tutor"],
        typer.Option(
            "--style", help="plain: the whole worked answer; tutor: one step a turn, with a question."
        ),
    ] = "plain",
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import GSM8K's word problems (JSON Lines of question and answer); calculator marks are removed."""
    from senmon.dataset import importing
    from senmon.dataset.imports.gsm8k import ATTRIBUTION, LICENCE

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence or LICENCE, attribution or ATTRIBUTION)
    with progress(source.name) as count:
        report = importing.import_gsm8k(source, wish.folder, style, wish.writing(), count)
    show(report, json)


@app.command("bitext")
def import_bitext(
    source: Source,
    pack: PackName,
    slots: Annotated[
        Literal["facts", "keep"],
        typer.Option(
            "--slots",
            help="facts: {{Customer Support Phone Number}} becomes [[article.support_phone]], filled in from "
            "knowledge/company.md; keep: {{support_phone}}, in one spelling.",
        ),
    ] = "facts",
    limit: Limit = None,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import Bitext's customer-support CSV; its fixed fifth of requests, by hash, becomes the test split."""
    from senmon.dataset import importing
    from senmon.dataset.imports.bitext import ATTRIBUTION, LICENCE

    wish = Wish.of(pack, limit, skip_broken, dry_run, title, licence or LICENCE, attribution or ATTRIBUTION)
    with progress(source.name) as count:
        report = importing.import_bitext(source, wish.folder, slots, wish.writing(), count)
    show(report, json)


@dataclass(frozen=True, slots=True)
class Wish:
    """What every import is told alike."""

    folder: Path
    new_pack: NewPack
    limit: int | None
    skip_broken: bool
    dry_run: bool

    @classmethod
    def of(
        cls,
        pack: str,
        limit: int | None,
        skip_broken: bool,
        dry_run: bool,
        title: str | None,
        licence: str | None,
        attribution: str | None,
    ) -> Wish:
        from senmon.packs.scaffold import NewPack

        folder = pack_folder(pack)
        fresh = NewPack.of(folder.name, title=title, licence=licence, attribution=attribution)
        return cls(folder, fresh, limit, skip_broken, dry_run)

    def writing(self) -> Writing:
        from senmon.dataset.importing import Writing

        return Writing(self.skip_broken, self.dry_run, self.limit, self.new_pack)


def _chat(source: Path, wish: Wish, reader: Reader, labels: Labels, json: bool) -> None:
    from senmon.dataset import importing

    with progress(source.name) as count:
        report = importing.import_chat(source, wish.folder, reader, wish.writing(), labels, count)
    show(report, json)


def _labels(field: str | None, label: str | None) -> Labels:
    from senmon.dataset.importing import Labels

    return Labels(label, field or "intent")


def _character(delimiter: str | None) -> str | None:
    return "\t" if delimiter in ("tab", "\\t") else delimiter


@contextmanager
def progress(name: str) -> Iterator[Callable[[int], None]]:
    """A line that counts the rows while they are read."""
    with output.errors.status(f"reading {escape(name)}") as status:
        yield lambda rows: status.update(f"reading {escape(name)}: {rows:,} rows")


def show(report: ImportReport, json: bool) -> None:
    """What an import did: JSON for machines, tables for people."""
    output.emit(asdict(report), _table(report), json=json)
    if not json and not report.dry_run:
        output.note(f"next: senmon check {escape(report.target.parent.parent.name)}")


def _table(report: ImportReport) -> Table:
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    done = "would write" if report.dry_run else "wrote" if report.changed else "left as it was"
    table.add_row(done, escape(str(report.target)))
    table.add_row(
        "taken", f"{report.taken:,} rows, {report.intents} intent{'s' if report.intents != 1 else ''}"
    )
    if any(report.splits):
        table.add_row("splits", _counted({name or "by hash": count for name, count in report.splits.items()}))
    if report.intents > 1:
        table.add_row("intents", _counted(report.labels))
    for note, count in report.notes.items():
        table.add_row("changed", f"{count:,} × {escape(note)}")
    for why, count in report.left_out.items():
        table.add_row("left out", f"{count:,} × {escape(why)}")
    table.add_row("refused", f"{report.refused_rows:,} rows")
    for problem in report.refused[:SHOWN]:
        table.add_row("", escape(str(problem)))
    if report.refused_rows > SHOWN:
        table.add_row("", f"and {report.refused_rows - SHOWN:,} more; --json lists the first 200")
    table.add_row("placeholders", f"{report.placeholders:,} replies hold {{{{…}}}}")
    if report.slots:
        table.add_row("slots", _counted(report.slots))
    lengths = report.lengths
    words = (
        f"median {lengths.median}, 95 % under {lengths.p95 + 1}, longest {lengths.longest} words and marks"
    )
    table.add_row("replies", words)
    return table


def _counted(counts: Mapping[str, int]) -> str:
    """The most frequent names with their counts."""
    shown = ", ".join(f"{escape(name)} {count:,}" for name, count in list(counts.items())[:NAMED])
    return f"{shown} and {len(counts) - NAMED} more" if len(counts) > NAMED else shown
