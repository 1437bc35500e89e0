"""`senmon base`: look at the base model, and pretrain one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from senmon.cli.output import emit
from senmon.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look at the base model, and pretrain one.")
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def show(json: Json = False) -> None:
    """Which base everything runs on: its folder, digest, size and configuration."""
    from senmon.cli.base_session import describe
    from senmon.workspace import Workspace

    data = describe(Workspace.open(Settings.load()).base)
    table = Table("base", str(data["name"]))
    for name, value in data.items():
        table.add_row(name, str(value))
    emit(data, table, json=json)


@app.command()
def pretrain(
    corpus: Annotated[list[Path], typer.Argument(help="JSONL or JSONL.xz files; a group per file stem.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: state, curve and, in `base/`, the result.")],
    valid: Annotated[Path | None, typer.Option(help="Held-out file: bits per byte of each source.")] = None,
    start: Annotated[
        str, typer.Option(help="Base whose tokenizer, template and weights to start from.")
    ] = "embedded",
    weight: Annotated[
        list[str] | None, typer.Option(help="GROUP=SHARE or GROUP=SHARE:SHARE_AT_THE_END; repeatable.")
    ] = None,
    tokens: Annotated[int, typer.Option(help="Tokens to train on, at most.", min=1)] = 10_000_000,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many minutes of training.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of order and initialisation.")] = 0,
    json: Json = False,
) -> None:
    """Pretrain a base on a corpus; called again it goes on where it stopped.

    Lines are `{"text": …}` or `{"messages": [...]}`, the latter rendered with the product's own template.
    """
    from senmon.cli.base_session import run_pretraining

    run_pretraining(
        Settings.load(),
        corpus,
        out,
        valid,
        start,
        weight or [],
        tokens=tokens,
        minutes=minutes,
        seed=seed,
        json=json,
    )


@app.command()
def dialogues(
    out: Annotated[Path, typer.Option(help="File to write: NAME.jsonl or NAME.jsonl.xz.")],
    count: Annotated[int, typer.Option(help="Conversations to write.", min=1)] = 60_000,
    seed: Annotated[int, typer.Option(help="Another seed gives other conversations.")] = 0,
    json: Json = False,
) -> None:
    """Write made-up conversations in the product's own shape, to pretrain on.

    Each has an invented business with its own actions, records and articles, or is an exercise in reading,
    copying or arithmetic. They teach a base the skills that every pack needs; they hold nothing of a pack.
    """
    from senmon.cli.base_dialogues import write_dialogues

    write_dialogues(count, seed, out, json=json)
