"""`senmon packs`, `senmon new` and `senmon check`: what packs there are, and whether they are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.errors import ConfigError, DataInvalid, PackInvalid, Problem, ProblemsError, SenmonError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.dataset.report import ReadinessReport
    from senmon.packs.pack import Pack
    from senmon.workspace import Workspace

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of the pack, or its folder.")]

app = typer.Typer(help="The packs there are, and which of them may run their Python.")


@app.callback(invoke_without_command=True)
def packs(context: typer.Context, json: Json = False) -> None:
    """List the packs: version, examples, released adapter, whether their Python may run."""
    if context.invoked_subcommand is None:
        _list(json)


@app.command("list")
def list_packs(json: Json = False) -> None:
    """List the packs: version, examples, released adapter, whether their Python may run."""
    _list(json)


@app.command()
def allow(name: Name, json: Json = False) -> None:
    """Let the pack's Python run, as it is now. A changed line asks again."""
    workspace = _workspace()
    pack = workspace.pack(name)
    workspace.permissions.allow(pack)
    state = workspace.permissions.state(pack)
    data = {"pack": pack.name, "state": state, "code_digest": pack.code_digest}
    words = (
        "has no Python to allow" if state == "no code" else f"may run its Python ({pack.code_digest[:12]})"
    )
    output.emit(data, Text(f"{pack.name} {words}"), json=json)


def new(
    name: Annotated[str, typer.Argument(help="Name of the pack: lower-case letters, digits, - and _.")],
    into: Annotated[
        Path | None, typer.Option("--in", help="Folder to make it in; default: where packs are.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a pack of your own: complete, commented, ready to edit."""
    from senmon.packs.scaffold import scaffold

    folder = scaffold(name, into or Settings.load().packs[0])
    data = {"pack": name, "path": str(folder)}
    output.emit(data, Text(f"made {folder}; read its README.md, then: senmon check {name}"), json=json)


def check(pack: Name, json: Json = False) -> None:
    """Check a pack, its data and its suites; report every problem with its line, and what to collect next."""
    from senmon.dataset.report import readiness

    found = _workspace().pack(pack)
    dataset, problems = _inspected(found)
    if problems:
        raise PackInvalid(f"{found.name}: {len(problems)} problems", problems)
    report = readiness(found, dataset)
    data = {"pack": found.name, "version": found.manifest.version, "digest": found.digest, **asdict(report)}
    output.emit(data, _readiness_table(found, report), json=json)


def _workspace() -> Workspace:
    from senmon.workspace import Workspace

    return Workspace.open()


def _inspected(pack: Pack) -> tuple[Any, list[Problem]]:
    """The dataset, and the problems of everything that a pack holds."""
    from senmon.dataset.loading import load_dataset
    from senmon.evaluation.suite import load_suites

    problems: list[Problem] = []
    dataset = _taken(lambda: load_dataset(pack), problems, pack)
    _taken(lambda: load_suites(pack), problems, pack)
    problems.extend(_check_problems(pack))
    problems.extend(_prefix_problems(pack))
    return dataset, problems


def _taken(read: Callable[[], Any], problems: list[Problem], pack: Pack) -> Any:
    try:
        return read()
    except ProblemsError as error:
        problems.extend(error.problems)
    except SenmonError as error:
        problems.append(Problem(str(pack.path / "pack.yaml"), 0, "", error.message, error.remedy))
    return None


def _check_problems(pack: Pack) -> Iterator[Problem]:
    """Unknown checks and wrong options, each at its line."""
    from senmon.checks.registry import build_checks
    from senmon.packs.manifest_file import MANIFEST, read_manifest

    manifest, source = read_manifest(pack.path)
    for index, spec in enumerate(manifest.checks):
        try:
            build_checks([spec], system=pack.system)
        except ConfigError as error:
            line = source.line(("checks", index))
            place = str(pack.path / MANIFEST)
            yield Problem(place, line, f"checks.{index}", error.message, error.remedy)


def _prefix_problems(pack: Pack) -> tuple[Problem, ...]:
    """Counted with the embedded base's tokenizer: another base may have to be downloaded first."""
    from senmon.bases.catalog import load_tokenizer, resolve
    from senmon.rendering import Renderer, check_prefix

    return check_prefix(Renderer(load_tokenizer(resolve())), pack)


def _list(json: bool) -> None:
    from senmon.packs.loader import discover

    workspace = _workspace()
    found = discover(workspace.settings.packs)
    rows = [_row(pack, workspace) for pack in found.packs]
    table = Table("pack", "version", "examples", "adapter", "Python")
    for row in rows:
        adapter = "released" if row["released_adapter"] else "—"
        table.add_row(row["name"], row["version"], str(row["examples"] or "broken"), adapter, row["code"])
    errors = [str(error) for error in found.errors]
    output.emit({"packs": rows, "errors": errors}, table, json=json)
    for error in () if json else errors:
        output.errors.print(error, markup=False, soft_wrap=True)


def _row(pack: Pack, workspace: Workspace) -> dict[str, Any]:
    from senmon.dataset.loading import load_dataset

    try:
        examples, problem = len(load_dataset(pack)), None
    except DataInvalid as error:
        examples, problem = 0, str(error)
    return {
        "name": pack.name,
        "version": pack.manifest.version,
        "title": pack.manifest.title,
        "path": str(pack.path),
        "examples": examples,
        "problem": problem,
        "released_adapter": (pack.released_adapter / "adapter_config.json").is_file(),
        "code": workspace.permissions.state(pack),
    }


def _readiness_table(pack: Pack, report: ReadinessReport) -> Table:
    table = Table(title=f"{pack.label}: no problems", show_header=False, title_justify="left")
    for name, value in _readiness_lines(report):
        table.add_row(name, Text(value))
    return table


def _readiness_lines(report: ReadinessReport) -> Iterator[tuple[str, str]]:
    yield "examples", f"{report.examples} ({', '.join(f'{name} {n}' for name, n in report.splits.items())})"
    yield "turns", f"{report.turns} in {report.messages} messages, {report.calls} calls"
    yield "intents", ", ".join(f"{name} {count}" for name, count in report.intents.items())
    yield (
        "repeated",
        f"{report.duplicates} exact, {report.near_duplicates} near, {report.near_leaks} held out",
    )
    yield (
        "leaks",
        f"{len(report.leaks)} of evaluation items; {len(report.conflicts)} requests with several intents",
    )
    yield "licences", ", ".join(f"{name} {count}" for name, count in report.licences.items())
    for line in report.advice:
        yield "next", line
