"""`senmon eval PACK --suite …`: whole conversations on blind texts, shown while they run, and their page."""

from __future__ import annotations

import asyncio
import json as jsonlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from senmon.cli.output import console, emit, errors, note
from senmon.errors import ConfigError, PackNotFound

if TYPE_CHECKING:
    from senmon.adapters import Adapter
    from senmon.evaluation.served.run import Plan, Step
    from senmon.packs.pack import Pack
    from senmon.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was asked for."""

    pack: str
    version: str | None
    suites: tuple[str, ...]
    base_only: bool
    limit: int | None
    blind: Path
    fresh: bool
    output: Path | None


async def evaluate_suites(workspace: Workspace, wanted: Wanted, *, json: bool) -> bool:
    """Measure and print, and write where asked. True when nothing speaks against the adapter."""
    from senmon.evaluation.served.run import failures, measure, with_notes

    _check(wanted)
    pack = workspace.pack(wanted.pack)
    engine = workspace.engine()
    try:
        plan = await asyncio.to_thread(_plan, workspace, pack, wanted)
        with _progress(json=json) as progress:
            task = progress.add_task("", total=None)

            def show(step: Step) -> None:
                progress.update(
                    task, description=f"{step.suite}, {step.subject}", completed=step.done, total=step.total
                )

            section = await measure(plan, _folder(workspace, wanted), show)
    finally:
        with suppress(Exception):
            await engine.close()
    section = with_notes(section, wanted.blind.parent / f"notes-{pack.name}.md")
    reasons = failures(section)
    emit({**section, "failures": list(reasons)}, Group(*_tables(section, reasons)), json=json)
    if wanted.output is not None:
        for path in _write(wanted.output, pack.name, section):
            if not json:
                console.print(f"wrote {path}", markup=False, soft_wrap=True)
    return not reasons


def _check(wanted: Wanted) -> None:
    from senmon.evaluation.served.figures import SUITES
    from senmon.evaluation.served.run import unknown

    if wrong := unknown(wanted.suites):
        known = ", ".join((*SUITES, "all"))
        raise ConfigError(f"there is no suite {', '.join(wrong)}", remedy=f"suites: {known}")
    if not wanted.blind.is_dir():
        raise ConfigError(
            f"{wanted.blind} is no folder of blind texts",
            remedy="name it with --blind; docs/evaluation.md says what belongs into it",
        )
    if wanted.base_only and wanted.version:
        raise ConfigError("--base-only and --adapter exclude each other", remedy="leave one out")
    if wanted.output is not None and wanted.output.suffix != ".md":
        raise ConfigError(
            f"{wanted.output} is no page", remedy="with suites, --output names a file that ends in .md"
        )


def _folder(workspace: Workspace, wanted: Wanted) -> Path:
    """Where finished suites are kept."""
    kept = workspace.home / "evaluation"
    if wanted.fresh and (kept / Path(wanted.pack).name).is_dir():
        for path in (kept / Path(wanted.pack).name).glob("*.json"):
            path.unlink()
    return kept


def _plan(workspace: Workspace, pack: Pack, wanted: Wanted) -> Plan:
    from senmon.evaluation.served.blind import load_blind
    from senmon.evaluation.served.rig import Stand
    from senmon.evaluation.served.run import ADAPTER, BASE, Plan, chosen
    from senmon.settings import variable
    from senmon.shelf import Shelf

    blind = load_blind(wanted.blind, pack.name)
    catalog = Shelf(workspace, workspace.base.digest).build()
    for problem in catalog.problems:
        note(f"[yellow]left out:[/] {escape(problem)}")
    if pack.name not in catalog.packs:
        raise PackNotFound(
            f"{pack.name} is not among the packs that are served",
            remedy="name its parent folder in SENMON_PACKS, and mend what is left out above",
        )
    adapter = (
        None if wanted.base_only else _adapter(workspace, catalog.packs[pack.name].adapter, pack, wanted)
    )
    subjects: dict[str, Adapter | None] = {BASE: None, **({ADAPTER: adapter} if adapter else {})}
    if adapter is None and not wanted.base_only:
        note("there is no adapter for this base: the bare base alone is measured")
    return Plan(
        pack=pack.name,
        stand=Stand.unhurried(workspace.engine(), catalog, workspace.permissions.allowed, variable),
        subjects=subjects,
        suites=chosen(wanted.suites),
        blind=blind,
        checks=wanted.blind.parent / "checks",
        limit=wanted.limit,
        base=workspace.base.spec,
        base_digest=workspace.base.digest,
        gate=_gate(workspace, adapter),
    )


def _adapter(workspace: Workspace, served: Adapter | None, pack: Pack, wanted: Wanted) -> Adapter | None:
    if not wanted.version:
        return served
    found = workspace.adapters.get(pack.name, wanted.version)
    if found.card.base_digest != workspace.base.digest:
        raise ConfigError(
            f"the adapter {found.version[:12]} belongs to another base",
            remedy="name its base with --base, or tune it again for this one",
        )
    return found


def _gate(workspace: Workspace, adapter: Adapter | None) -> dict[str, Any]:
    """The newest verdict of the adapter, without its figures."""
    verdicts = workspace.adapters.verdicts(adapter) if adapter else ()
    newest = verdicts[-1] if verdicts else {}
    return {name: newest[name] for name in ("passed", "mode") if name in newest}


def _progress(*, json: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    return Progress(*columns, console=errors, transient=True, disable=json)


def _tables(section: Mapping[str, Any], reasons: Sequence[str]) -> list[Table | str]:
    from senmon.evaluation.served.document import check_rows, difference_rows, figure_rows, time_rows

    shown: list[Table | str] = []
    parts: list[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = [
        (f"Whole assistant: {section['pack']}", *figure_rows(section)),
        ("Adapter − base", ("suite", "what it says", "difference", ""), list(difference_rows(section))),
        ("Times, seconds", *time_rows(section)),
        ("Checks and oracles", *check_rows(section)),
    ]
    for title, head, rows in parts:
        if rows:
            table = Table(*head, title=title)
            for row in rows:
                table.add_row(*(escape(cell).replace("**missed**", "[red]missed[/]") for cell in row))
            shown.append(table)
    for suite, faults in section["faults"].items():
        tally = "; ".join(f"{kind} ({count})" for kind, count in faults.items())
        shown.append(escape(f"faults in {suite}: {tally}"))
    return [*shown, *(escape(f"not better than the base: {reason}") for reason in reasons)]


def _write(page: Path, pack: str, section: Mapping[str, Any]) -> tuple[Path, ...]:
    """The page, its JSON and this pack's plot. Sections of other packs stay."""
    from senmon.adapters.durable import write_text
    from senmon.evaluation.served.document import plot_name, render
    from senmon.evaluation.served.plot import write_plot
    from senmon.evaluation.served.run import merged

    data_path = page.with_suffix(".json")
    old = None
    if data_path.is_file():
        try:
            old = jsonlib.loads(data_path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(
                f"{data_path} is broken: {error}", remedy="move it away, and run it again"
            ) from error
    data = merged(old, pack, section)
    page.parent.mkdir(parents=True, exist_ok=True)
    plot = page.with_name(plot_name(pack))
    if section["figures"]:
        write_plot(section, plot)
    write_text(data_path, jsonlib.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(page, render(data))
    return (page, data_path, plot) if section["figures"] else (page, data_path)
