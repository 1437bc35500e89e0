"""`senmon corrections`: messages that went to the wrong pack, for the router to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from senmon.cli.output import console, emit
from senmon.errors import ConfigError
from senmon.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Numbers = Annotated[list[int], typer.Argument(help="Numbers as listed.")]

app = typer.Typer(help="Messages that went to the wrong pack, for the router to learn.")


@app.callback(invoke_without_command=True)
def corrections(context: typer.Context, json: Json = False) -> None:
    """List what visitors proposed and what was accepted. Only what is accepted is learnt."""
    if context.invoked_subcommand is not None:
        return
    from senmon.routing.corrections import read_corrections

    known = read_corrections(Settings.load().home)
    table = Table("", "message", "went to", "belongs to", "state")
    for number, one in enumerate(known, start=1):
        table.add_row(str(number), escape(one.text[:100]), one.was or "?", one.pack or "none", one.state)
    emit([asdict(one) for one in known], table, json=json)


@app.command()
def add(
    text: Annotated[str, typer.Argument(help="The message.")],
    pack: Annotated[str, typer.Option(help="The pack that it belongs to, or `none`.")],
    was: Annotated[str | None, typer.Option(help="The pack that it went to.")] = None,
) -> None:
    """Teach the router where a message belongs; a running server learns it within seconds."""
    from senmon.routing.corrections import MAX_TEXT, Correction, propose
    from senmon.workspace import Workspace

    workspace = Workspace.open(Settings.load())
    for name in (pack, was):
        if name not in (None, "none"):
            workspace.pack(str(name))
    if not text.strip() or len(text) > MAX_TEXT:
        raise ConfigError(f"a message has 1 to {MAX_TEXT} characters", remedy="give the message itself")
    if pack == "none" and was is None:
        raise ConfigError("who should not have got it?", remedy="--was PACK")
    one = Correction(text, None if pack == "none" else pack, was, "accepted")
    kept = propose(workspace.home, one)
    console.print("accepted" if kept else "known already: nothing to do")


@app.command()
def accept(numbers: Numbers) -> None:
    """Accept proposals: the router learns them."""
    from senmon.routing.corrections import accept

    home = Settings.load().home
    accept(home, _places(numbers))
    console.print(f"accepted {len(set(numbers))}")


@app.command()
def drop(numbers: Numbers) -> None:
    """Forget corrections, proposed or accepted."""
    from senmon.routing.corrections import drop

    home = Settings.load().home
    left = drop(home, _places(numbers))
    console.print(f"dropped {len(set(numbers))}, {len(left)} left")


def _places(numbers: Sequence[int]) -> list[int]:
    from senmon.routing.corrections import read_corrections

    count = len(read_corrections(Settings.load().home))
    wrong = [str(number) for number in numbers if not 1 <= number <= count]
    if wrong:
        raise ConfigError(f"no correction {', '.join(wrong)}", remedy="`senmon corrections` lists them")
    return [number - 1 for number in numbers]
