"""`senmon generate` and `senmon review`: more examples from those that are there, and a person's decision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.errors import ConfigError

if TYPE_CHECKING:
    from senmon.dataset.example import Dataset
    from senmon.dataset.generation.candidate import Method
    from senmon.dataset.generation.generating import GenerationReport
    from senmon.dataset.generation.review_file import Entry
    from senmon.dataset.generation.reviewing import Decision
    from senmon.packs.pack import Pack
    from senmon.workspace import Workspace

app = typer.Typer(help="Read what `senmon generate` made, and take it into the training data or not.")

Name = Annotated[str, typer.Argument(help="Name of the pack, or its folder.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of examples, or their beginnings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def generate(
    pack: Name,
    templates: Annotated[
        bool, typer.Option("--templates", help="From generate/*.yaml of the pack: sentences with slots.")
    ] = False,
    paraphrase: Annotated[
        bool, typer.Option("--paraphrase", help="The same requests in other words, by rule (English).")
    ] = False,
    noise: Annotated[bool, typer.Option("--noise", help="The same requests with typing slips.")] = False,
    self_instruct: Annotated[
        bool, typer.Option("--self-instruct", help="New requests, written by the engine of the settings.")
    ] = False,
    per_intent: Annotated[
        int | None,
        typer.Option("--per-intent", min=1, help="Fill intents up to this many training examples."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="At most so many; default 50. Thin intents first.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same examples.")] = 0,
    model: Annotated[
        str, typer.Option("--model", help="Model's name on the engine's server, for --self-instruct.")
    ] = "",
    show: Annotated[int, typer.Option("--show", min=0, help="How many examples to print.")] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Make and show them; write nothing.")] = False,
    json: Json = False,
) -> None:
    """Make more training examples from those that are there, for you to review.

    They go to review/generated.jsonl, not into the training data: see `senmon review list PACK`.
    """
    from senmon.dataset.generation.candidate import METHODS
    from senmon.dataset.generation.generating import Wish

    chosen = tuple(
        method
        for method, wanted in zip(METHODS, (templates, paraphrase, noise, self_instruct), strict=True)
        if wanted
    )
    if not chosen:
        raise ConfigError("no method named", remedy="--templates, --paraphrase, --noise or --self-instruct")
    total = 50 if count is None and per_intent is None else count
    wish = Wish(chosen, per_intent, total, seed, dry_run)
    report = asyncio.run(_generated(pack, wish, model))
    data = {
        "made": [_json(entry) for entry in report.made],
        "waiting": report.waiting,
        "refused": report.refused,
        "short": report.short,
        "notes": report.notes,
        "dry_run": dry_run,
    }
    output.emit(data, _report(report, pack, show, chosen), json=json)


@app.callback()
def root() -> None:
    """Read what `senmon generate` made, and take it into the training data or not."""


@app.command("list")
def list_entries(
    pack: Name,
    status: Annotated[str, typer.Option("--status", help="waiting, accepted, rejected or all.")] = "waiting",
    intent: Annotated[str, typer.Option("--intent", help="Only this intent.")] = "",
    method: Annotated[str, typer.Option("--method", help="Only this method.")] = "",
    json: Json = False,
) -> None:
    """List generated examples: id, intent, method and the request beside its parent's."""
    from senmon.dataset.generation.review_file import read_entries

    found, dataset = _opened(pack)
    entries = [
        entry
        for entry in read_entries(found.path)
        if status in (entry.status, "all") and intent in ("", entry.intent) and method in ("", entry.method)
    ]
    parents = {example.id: example.request for example in dataset.examples}
    output.emit(
        [{**_json(entry), "status": entry.status} for entry in entries], _listed(entries, parents), json=json
    )


@app.command()
def show(
    pack: Name,
    ids: Annotated[list[str], typer.Argument(help="Ids of examples, or their beginnings.")],
    json: Json = False,
) -> None:
    """Show examples whole, with what the pack's rules and checks say of them."""
    from senmon.dataset.generation.review_file import read_entries
    from senmon.dataset.generation.reviewing import faults_of, find

    found, dataset = _opened(pack)
    entries = find(read_entries(found.path), ids)
    judge = _judge(found)
    faults = {entry.id: faults_of(found, dataset, judge, entry) for entry in entries}
    data = [{**_json(entry), "status": entry.status, "faults": faults[entry.id]} for entry in entries]
    output.emit(
        data, Group(*(part for entry in entries for part in _whole(entry, faults[entry.id]))), json=json
    )


@app.command()
def accept(
    pack: Name,
    ids: Ids = None,
    all_passing: Annotated[
        bool, typer.Option("--all-passing", help="All that wait and pass the rules and checks.")
    ] = False,
    json: Json = False,
) -> None:
    """Take examples into the training data (data/generated.jsonl); those that fail a check are refused."""
    from senmon.dataset.generation.reviewing import accept as accepted

    found, dataset = _opened(pack)
    decision = accepted(found, dataset, _judge(found), ids or [], all_passing=all_passing)
    output.emit(_decided(decision), _decision(decision, "accepted", "data/generated.jsonl"), json=json)


@app.command()
def reject(
    pack: Name,
    ids: Ids = None,
    all_waiting: Annotated[bool, typer.Option("--all-waiting", help="All that wait.")] = False,
    json: Json = False,
) -> None:
    """Turn examples down; they are not made again."""
    from senmon.dataset.generation.reviewing import reject as rejected

    found, _ = _opened(pack)
    decision = rejected(found, ids or [], all_waiting=all_waiting)
    output.emit(_decided(decision), _decision(decision, "rejected", "review/generated.jsonl"), json=json)


def _workspace() -> Workspace:
    from senmon.workspace import Workspace

    return Workspace.open()


def _opened(name: str) -> tuple[Pack, Dataset]:
    from senmon.dataset.loading import load_dataset

    pack = _workspace().pack(name)
    return pack, load_dataset(pack)


def _judge(pack: Pack) -> Any:
    from senmon.evaluation.example_faults import judge_of

    return judge_of(pack)


async def _generated(name: str, wish: Any, model: str) -> GenerationReport:
    from senmon.cli.generating_model import asking
    from senmon.dataset.generation.generating import generate as generated
    from senmon.dataset.loading import load_dataset

    workspace = _workspace()
    pack = workspace.pack(name)
    dataset = load_dataset(pack)
    with output.errors.status("generating") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"generating: {done:,} of {total:,}")

        if "self-instruct" not in wish.methods:
            return await generated(pack, dataset, wish, _judge(pack), on_progress=progress)
        async with asking(workspace, model) as ask:
            return await generated(pack, dataset, wish, _judge(pack), ask=ask, on_progress=progress)


def _json(entry: Entry) -> dict[str, Any]:
    return {"id": entry.id, "intent": entry.intent, "method": entry.method, "parent": entry.parent,
            "example": dict(entry.record)}  # fmt: skip


def _report(report: GenerationReport, pack: str, show: int, methods: Sequence[Method]) -> RenderableType:
    table = Table("intent", *methods, "still short", title="Made" if report.made else None)
    by_intent = report.by_intent()
    for intent in sorted({*by_intent, *report.short}):
        counts: Mapping[str, int] = by_intent.get(intent, {})
        cells = [str(counts.get(method, "")) for method in methods]
        table.add_row(escape(intent), *cells, str(report.short.get(intent, "")))
    parts: list[RenderableType] = [table]
    if report.refused:
        reasons = Table("refused because it", "candidates")
        for why, number in report.refused.items():
            reasons.add_row(escape(why), f"{number:,}")
        parts.append(reasons)
    if report.made and show:
        parts.append(_listed(_sample(report.made, show), {}))
    parts += [Text(f"note: {note}") for note in report.notes]
    done = "would wait" if report.dry_run else "wait"
    parts.append(
        Text(f"{len(report.made):,} made; {report.waiting:,} {done} for review: senmon review list {pack}")
    )
    return Group(*parts)


def _sample(entries: Sequence[Entry], most: int) -> list[Entry]:
    """Evenly from all of them."""
    step = max(1, len(entries) // most)
    return list(entries[::step][:most])


def _listed(entries: Sequence[Entry], parents: dict[str, str]) -> Table:
    table = Table("id", "intent", "method", "request", *(["made from"] if parents else []))
    for entry in entries:
        row = [entry.id.removeprefix("gen-"), entry.intent, entry.method, entry.request]
        table.add_row(*map(escape, [*row, *([parents.get(entry.parent, entry.parent)] if parents else [])]))
    return table


def _whole(entry: Entry, faults: Sequence[str]) -> list[RenderableType]:
    import json as jsonlib

    table = Table(
        show_header=False, title=f"{entry.id} · {entry.intent} · {entry.status}", title_justify="left"
    )
    for message in entry.record["messages"]:
        said = message.get("content") or message.get("passages") or message.get("tool_calls")
        text = said if isinstance(said, str) else jsonlib.dumps(said, ensure_ascii=False)
        name = message.get("name")
        table.add_row(f"{message.get('role')}{f' ({name})' if name else ''}", escape(text))
    table.add_row("made from", escape(entry.origin))
    table.add_row("checks", escape("\n".join(faults)) if faults else "passes")
    return [table]


def _decided(decision: Decision) -> dict[str, Any]:
    return {"done": decision.done, "before": decision.before, "refused": dict(decision.refused)}


def _decision(decision: Decision, word: str, place: str) -> RenderableType:
    parts = [Text(f"{len(decision.done):,} {word} → {place}")]
    if decision.before:
        parts.append(Text(f"{len(decision.before):,} were {word} before"))
    parts += [Text(f"refused: {id}: {why}") for id, why in list(decision.refused.items())[:40]]
    return Group(*parts)
