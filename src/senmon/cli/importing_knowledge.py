"""`senmon import markdown`, `html` and `faq`: a help centre → a pack's knowledge articles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from senmon.cli import output
from senmon.cli.importing_options import Dry, Json, Licence, Title, pack_folder

if TYPE_CHECKING:
    from senmon.dataset.knowledge_import.gathering import Remark
    from senmon.dataset.knowledge_import.importing import KnowledgeReport

SHOWN = 12

Pages = Annotated[Path, typer.Argument(help="Folder of pages, or one page.")]
TableFile = Annotated[Path, typer.Argument(help="CSV file with a header; one question per row.")]
PackName = Annotated[str, typer.Option("--pack", help="Name of the pack, or its folder; made when new.")]
UrlBase = Annotated[
    str, typer.Option("--url-base", help="Where the folder is published, such as https://shop.example/help/.")
]
Words = Annotated[
    int, typer.Option("--words", min=40, max=2000, help="Longer pages are divided at their headings.")
]
Facts = Annotated[
    bool,
    typer.Option("--propose-facts", help="Write the proposed facts into the articles' front matter."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace articles of this import that were edited since.")
]
Name = Annotated[str, typer.Option("--name", help="Name of this import; default: the source's.")]
Skip = Annotated[bool, typer.Option("--skip-broken", help="Leave broken pages out instead of stopping.")]


def markdown(
    source: Pages,
    pack: PackName,
    url_base: UrlBase = "",
    words: Words = 250,
    propose_facts: Facts = False,
    overwrite: Overwrite = False,
    name: Name = "",
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    json: Json = False,
) -> None:
    """Import a folder of Markdown pages as knowledge articles; long pages are divided at headings.

    A repeated import replaces what the last one wrote, and nothing else. Articles that you edited are kept.
    """
    options = {"facts": propose_facts, "overwrite": overwrite, "name": name, "skip_broken": skip_broken}
    _pages("markdown", source, pack, url_base, words, {**options, "dry_run": dry_run}, title, licence, json)


def html(
    source: Pages,
    pack: PackName,
    url_base: UrlBase = "",
    words: Words = 250,
    propose_facts: Facts = False,
    overwrite: Overwrite = False,
    name: Name = "",
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    json: Json = False,
) -> None:
    """Import a folder of HTML pages as knowledge articles: the main text, without navigation and scripts.

    A repeated import replaces what the last one wrote, and nothing else. Articles that you edited are kept.
    """
    options = {"facts": propose_facts, "overwrite": overwrite, "name": name, "skip_broken": skip_broken}
    _pages("html", source, pack, url_base, words, {**options, "dry_run": dry_run}, title, licence, json)


def faq(
    source: TableFile,
    pack: PackName,
    question: Annotated[str, typer.Option("--question", help="Column of the question.")] = "question",
    answer: Annotated[str, typer.Option("--answer", help="Column of the answer.")] = "answer",
    category: Annotated[
        str, typer.Option("--category", help="Column of the category: the examples' intent.")
    ] = "",
    url: Annotated[str, typer.Option("--url", help="Column of the published address.")] = "",
    examples: Annotated[
        bool, typer.Option("--examples", help="Also write each question and its answer as an example.")
    ] = False,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Default: found out. `tab` for a tab.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Encoding of the file.")] = "utf-8",
    propose_facts: Facts = False,
    overwrite: Overwrite = False,
    name: Name = "",
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    json: Json = False,
) -> None:
    """Import a table of questions and answers; questions that share an answer make one article.

    An answer of one paragraph becomes the article's `answer`, which replies say as a whole ([[answer.1]]).
    """
    from senmon.dataset.knowledge_import.faq import FaqColumns, FaqReading
    from senmon.dataset.knowledge_import.importing import Writing, import_faq
    from senmon.packs.scaffold import NewPack

    folder = pack_folder(pack)
    reading = FaqReading(
        FaqColumns(question, answer, category, url), "\t" if delimiter == "tab" else delimiter, encoding
    )
    writing = Writing(
        name, propose_facts, overwrite, examples, skip_broken, dry_run,
        NewPack.of(folder.name, title=title, licence=licence),
    )  # fmt: skip
    with _progress(source) as progress:
        report = import_faq(source, folder, reading, writing, progress)
    output.emit(asdict(report), _shown(report, propose_facts), json=json)


def _pages(
    format: str,
    source: Path,
    pack: str,
    url_base: str,
    words: int,
    options: dict[str, object],
    title: str | None,
    licence: str | None,
    json: bool,
) -> None:
    from senmon.dataset.knowledge_import.gathering import PageReading
    from senmon.dataset.knowledge_import.importing import Writing, import_pages
    from senmon.packs.scaffold import NewPack

    folder = pack_folder(pack)
    fresh = NewPack.of(folder.name, title=title, licence=licence)
    reading = PageReading(format, _base(url_base), words)
    with _progress(source) as progress:
        report = import_pages(source, folder, reading, Writing(new_pack=fresh, **options), progress)  # type: ignore[arg-type]
    output.emit(asdict(report), _shown(report, bool(options["facts"])), json=json)


def _base(url: str) -> str:
    if url and not url.startswith(("https://", "http://", "/")):
        raise typer.BadParameter("begin it with https://, http:// or /", param_hint="--url-base")
    return url if not url or url.endswith("/") else f"{url}/"


@contextmanager
def _progress(source: Path) -> Iterator[Callable[[int, int], None]]:
    with output.errors.status(f"reading {source.name}") as status:

        def show(done: int, total: int) -> None:
            share = f" of {total:,}" if total else ""
            status.update(f"reading {source.name}: {done:,}{share}")

        yield show


def _shown(report: KnowledgeReport, written: bool) -> Group:
    parts = [_summary(report)]
    if report.proposed:
        parts.append(_facts(report, written))
    return Group(*parts, *(f"note: {escape(note)}" for note in report.notes))


def _summary(report: KnowledgeReport) -> Table:
    table = Table(show_header=False)
    table.add_row("would write" if report.dry_run else "wrote", escape(str(report.target)))
    table.add_row(
        "taken", f"{report.pages:,} pages → {report.articles:,} articles ({report.split} pages divided)"
    )
    table.add_row(
        "articles",
        f"{len(report.added)} new, {len(report.updated)} changed, {report.same} as before, "
        f"{len(report.removed)} removed",
    )
    if report.examples:
        table.add_row("examples", f"{report.examples:,}")
    if report.edited:
        names = ", ".join(report.edited[:SHOWN])
        table.add_row("edited by hand, kept", escape(f"{names} (--overwrite replaces them)"))
    _lines(table, "refused", [str(problem) for problem in report.refused])
    _lines(table, "left out", _remarks(report.left_out))
    _lines(table, "changed", _remarks(report.changed))
    _lines(table, "much alike", _remarks(report.alike))
    _lines(table, "[yellow]suspicious[/], kept as text", _remarks(report.suspicious))
    return table


def _remarks(remarks: Sequence[Remark]) -> list[str]:
    return [
        f"{each.page}:{each.line} {each.text}" if each.line else f"{each.page} {each.text}"
        for each in remarks
    ]


def _lines(table: Table, name: str, lines: Sequence[str]) -> None:
    if lines:
        more = [f"… and {len(lines) - SHOWN} more (--json lists all)"] if len(lines) > SHOWN else []
        table.add_row(f"{name} ({len(lines)})", escape("\n".join([*lines[:SHOWN], *more])))


def _facts(report: KnowledgeReport, written: bool) -> Table:
    title = "Facts for review" if report.dry_run or not written else "Facts written into the articles"
    table = Table(title=title)
    for name in ("article", "proposed fact", "value", "where"):
        table.add_column(name, overflow="fold")
    for fact in report.proposed[: 2 * SHOWN]:
        table.add_row(fact.article, fact.name, escape(fact.value), escape(fact.sentence))
    if len(report.proposed) > 2 * SHOWN:
        table.add_row("…", f"{len(report.proposed) - 2 * SHOWN} more", "--json lists all", "")
    return table
