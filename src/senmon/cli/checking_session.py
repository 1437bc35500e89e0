"""What `senmon check` does and shows."""

from __future__ import annotations

import json as jsonlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.errors import ConfigError, PackInvalid, Problem, ProblemsError, SenmonError

if TYPE_CHECKING:
    from senmon.bases.catalog import BaseFiles
    from senmon.dataset.example import Dataset
    from senmon.evaluation.suite import SuiteItem
    from senmon.packs.pack import Pack
    from senmon.readiness import Readiness
    from senmon.readiness.learning_curve import LearningCurve
    from senmon.workspace import Workspace

SUGGESTED, LISTED, EXAMPLES = 6, 3, 2
_COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}
_BAR = 12


@dataclass(frozen=True, slots=True)
class Checked:
    """A pack's report, and its curve when one was asked for."""

    report: Readiness
    curve: LearningCurve | None


def checked(name: str, *, full: bool, curve_minutes: int | None, quiet: bool) -> Checked:
    """Load, check and judge. Raises PackInvalid with every problem of what the pack holds."""
    from senmon.readiness import assess
    from senmon.workspace import Workspace

    workspace = Workspace.open()
    pack = workspace.pack(name)
    with output.errors.status("loading") as status:
        if quiet:
            status.stop()
        dataset, items = _sound(pack)
        base = _counting_base(pack)
        report = assess(
            pack,
            dataset,
            items,
            renderer=_renderer(base),
            context_tokens=_context_tokens(base),
            encoder=workspace.encoder,
            everything=full,
            on_step=status.update,
        )
        curve = None
        if curve_minutes is not None:
            curve = _curve(workspace, pack, dataset, curve_minutes, status.update)
    return Checked(report, curve)


def _sound(pack: Pack) -> tuple[Dataset, tuple[SuiteItem, ...]]:
    from senmon.dataset.loading import load_dataset
    from senmon.evaluation.suite import load_suites

    problems: list[Problem] = []
    dataset = _taken(lambda: load_dataset(pack), problems, pack)
    items = _taken(lambda: load_suites(pack), problems, pack)
    problems.extend(_check_problems(pack))
    problems.extend(_prefix_problems(pack))
    if problems:
        raise PackInvalid(
            f"{pack.name}: {len(problems)} problem{'s' if len(problems) != 1 else ''}", problems
        )
    return dataset, items


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
    from senmon.rendering import check_prefix

    return check_prefix(_renderer(_counting_base(pack)), pack)


def _counting_base(pack: Pack) -> BaseFiles:
    """The pack's base when it lies here, else the embedded one: a check downloads nothing."""
    from senmon.bases.catalog import EMBEDDED, resolve

    wanted = pack.manifest.recipe.base
    return resolve(wanted if Path(wanted).is_dir() else EMBEDDED)


def _renderer(base: BaseFiles) -> Any:
    from senmon.bases.catalog import load_tokenizer
    from senmon.rendering import Renderer

    return Renderer(load_tokenizer(base))


def _context_tokens(base: BaseFiles) -> int:
    config = jsonlib.loads((base.path / "config.json").read_text(encoding="utf-8"))
    return int(config.get("max_position_embeddings", 2048))


def _curve(
    workspace: Workspace, pack: Pack, dataset: Dataset, minutes: int, say: Callable[[str], None]
) -> LearningCurve:
    from senmon.readiness.learning_curve import learning_curve

    with tempfile.TemporaryDirectory(prefix="senmon-curve-") as folder:
        return learning_curve(
            pack,
            dataset,
            base=workspace.base_for(pack),
            work=Path(folder) / "run",
            minutes=minutes,
            device=None if workspace.settings.device == "auto" else workspace.device,
            threads=workspace.settings.threads,
            on_run=lambda number, of, what: say(f"learning curve: run {number} of {of}, {what}"),
        )


def write_page(found: Checked, path: Path) -> None:
    from senmon.adapters.durable import write_text
    from senmon.readiness.page import to_html

    if path.is_dir():
        raise ConfigError(f"{path} is a folder", remedy=f"name a file, for example {path / 'readiness.html'}")
    write_text(path, to_html(found.report, found.curve))


def json_of(found: Checked) -> dict[str, Any]:
    from senmon.readiness.assess import to_json

    curve = None
    if found.curve is not None:
        curve = {**asdict(found.curve), "gain": found.curve.gain, "meaning": found.curve.meaning}
    return {**to_json(found.report), "curve": curve}


def shown(found: Checked, page: Path | None) -> Group:
    """The report for people at a terminal: verdict, what to do, what was found, how the score is made."""
    report = found.report
    lines: list[Any] = [_verdict(report), _suggested(report), _found(report), _parts(report), _facts(report)]
    if found.curve is not None:
        lines.append(Text(found.curve.meaning))
    lines += [Text(note, style="dim") for note in report.notes]
    if page is not None:
        lines.append(Text(f"report: {page}"))
    return Group(*lines)


def _verdict(report: Readiness) -> Text:
    score, severities = report.score, report.findings.severities
    counts = ", ".join(_counted(severities.get(name, 0), name) for name in ("error", "warning", "note"))
    told = Text(f"{report.label}: {score.points:.0f} of 100, stage “{score.stage.name}”. ", style="bold")
    told.append(f"{score.stage.meaning} {counts}.", style="not bold")
    if score.next_stage is not None:
        gap = max(0.0, score.next_stage.least - score.points)
        need = f"{_counted(round(gap), 'more point')}" if gap else ""
        mend = f"{_counted(severities['error'], 'error')} mended" if score.blocked else ""
        told.append(
            f"\nNext stage “{score.next_stage.name}” needs {' and '.join(filter(None, (need, mend)))}."
        )
    return told


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _suggested(report: Readiness) -> Table:
    from senmon.readiness.worth import worth

    table = Table(
        "points", "what to do next", title="\nMost worthwhile first", title_justify="left", show_lines=True
    )
    for one in report.suggestions[:SUGGESTED]:
        said = Text(one.title, style="bold")
        said.append(f"\n{one.why}", style="not bold")
        for example in one.examples[:EXAMPLES]:
            said.append(f"\n  · {example}", style="not bold cyan")
        table.add_row(worth(one.points).removesuffix(" points"), said)
    return table


def _found(report: Readiness) -> Table:
    from senmon.readiness.findings import KINDS

    table = Table("what was found", "count", "where", title="\nFindings", title_justify="left")
    seen: dict[str, None] = dict.fromkeys(one.kind for one in report.findings.shown)
    for kind in seen:
        ones = report.findings.of_kind(kind)
        places = Text("\n").join(Text(f"{one.place}: {one.what}") for one in ones[:LISTED])
        style = _COLOURS[ones[0].severity]
        table.add_row(Text(KINDS[kind].title, style=style), str(report.findings.counts[kind]), places)
    return table


def _parts(report: Readiness) -> Table:
    table = Table(
        "part of the score", "points", "", "found", title="\nHow the score is made", title_justify="left"
    )
    for part in report.score.parts:
        if part.value is None:
            table.add_row(part.title, "–", "", Text(part.found))
            continue
        weight = report.score.weight(part.name)
        filled = round(_BAR * part.value)
        bar = "█" * filled + "░" * (_BAR - filled)
        table.add_row(part.title, f"{part.value * weight:.1f} of {weight:.1f}", bar, Text(part.found))
    return table


def _facts(report: Readiness) -> Table:
    counts, lengths = report.counts, report.lengths
    table = Table(title="\nThe data", show_header=False, title_justify="left")
    rows = (
        (
            "conversations",
            f"{counts.examples} ({', '.join(f'{name} {n}' for name, n in counts.splits.items())})",
        ),
        ("turns", f"{counts.turns} in {counts.messages} messages, {counts.calls} calls"),
        ("intents", ", ".join(f"{name} {count}" for name, count in list(counts.intents.items())[:40])),
        (
            "tokens",
            f"half below {lengths.median}, 95 % below {lengths.p95}, longest {lengths.longest}, limit "
            f"{lengths.limit}",
        ),
        ("licences", ", ".join(f"{name or '(none)'} {count}" for name, count in counts.licences.items())),
    )
    for name, value in rows:
        table.add_row(name, Text(value))
    return table
