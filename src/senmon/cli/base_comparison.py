"""The work behind `senmon base eval`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from senmon.bases.catalog import BaseFiles, best_device, resolve
from senmon.cli.output import console, emit, errors
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.pretraining.comparison import BaseReport
    from senmon.pretraining.corpus import Document


def compare_bases(
    settings: Settings,
    names: Sequence[str],
    valid: Path | None,
    *,
    corpus: Sequence[Path],
    documents: int,
    probes: int,
    seed: int,
    samples: bool,
    out: Path | None,
    json: bool,
) -> None:
    """Measure each base in turn, print the tables, write the section."""
    from senmon.pretraining.corpus import corpus_files
    from senmon.pretraining.heldout import held_documents, source_groups

    if not probes and valid is None:
        raise ConfigError("nothing to measure", remedy="give --valid FILE, or leave --probes as it is")
    bases = [resolve(name) for name in names] or [_in_use(settings)]
    groups = source_groups(corpus_files(corpus, leave_out=[valid])) if corpus else {}
    files = corpus_files([valid]) if valid else []
    held = [document for path in files for document in held_documents(path, documents, groups=groups)]
    reports = []
    for base in bases:
        reports.append(_examined(base, held, settings, probes, seed, quiet=json))
    if out is not None:
        from senmon.pretraining.comparison_report import write_report

        write_report(out, reports)
    emit([report.to_json() for report in reports], comparison_tables(reports, samples=samples), json=json)
    if out is not None and not json:
        console.print(f"written: {out} and {out.with_suffix('.png')}", markup=False, soft_wrap=True)


def _in_use(settings: Settings) -> BaseFiles:
    from senmon.workspace import Workspace

    return Workspace.open(settings).base


def _examined(
    base: BaseFiles,
    held: Sequence[Document],
    settings: Settings,
    probes: int,
    seed: int,
    *,
    quiet: bool,
) -> BaseReport:
    from senmon.pretraining.comparison import examine

    with ProbingBar(base.name, quiet=quiet) as tell:
        device = best_device() if settings.device == "auto" else settings.device
        return asyncio.run(
            examine(
                base, held, count=probes, seed=seed, device=device, threads=settings.threads, tell=tell.show
            )
        )


class ProbingBar:
    """A progress line on stderr while a base is measured."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        )
        self._bar = Progress(*columns, console=errors, transient=True, disable=quiet)
        self._name = name
        self._task = self._bar.add_task(f"{name}: loading", total=1)

    def __enter__(self) -> ProbingBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, what: str, done: int, total: int) -> None:
        self._bar.update(self._task, description=escape(f"{self._name}: {what}"), completed=done, total=total)


def comparison_tables(reports: Sequence[BaseReport], *, samples: bool) -> Group:
    """Bits per byte, probes, and what was said."""
    from senmon.pretraining.comparison_report import bits_rows, probe_rows, titles

    names = [escape(name) for name in titles(reports)]
    parts: list[RenderableType] = []
    for title, head, rows in (
        ("Held-out bits per byte (lower is better)", ("group", "documents"), bits_rows(reports)),
        ("Probes: share right, 95 % Wilson interval", ("probe", "cases"), probe_rows(reports)),
    ):
        if rows:
            table = Table(*head, *names, title=title, title_justify="left")
            for row in rows:
                table.add_row(*map(escape, row))
            parts.append(table)
    if samples:
        parts += [_said(report, name) for report, name in zip(reports, names, strict=True) if report.samples]
    return Group(*parts)


def _said(report: BaseReport, name: str) -> Table:
    table = Table("asked", "wanted", "greedy reply", title=f"What {name} said", title_justify="left")
    for prompt, reply in report.samples:
        table.add_row(escape(prompt), "", escape(reply))
    for probe in report.probes:
        for miss in probe.misses[:1]:
            table.add_row(escape(miss.prompt), escape(miss.wanted), f"{escape(miss.reply)} [red]✗[/]")
    return table
