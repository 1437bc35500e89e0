"""`senmon chat` and `senmon route`: talk to the packs from the terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer
from rich.table import Table

from senmon.cli.output import console, emit, emit_line
from senmon.errors import ConfigError
from senmon.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def chat(
    pack: Annotated[
        str | None, typer.Argument(help="Pin this pack; without it each message is routed.")
    ] = None,
    source: Annotated[
        str | None, typer.Argument(help="`-` reads the visitor's messages, one a line.")
    ] = None,
    json: Json = False,
    customer: Annotated[str | None, typer.Option(help="Speak as this verified customer.")] = None,
) -> None:
    """Chat in the terminal. One process, one conversation; nothing is stored.

    `senmon chat --json -` reads one message a line and writes one event a line.
    """
    from senmon.cli.conversation import talk

    pinned = None if pack == "-" else pack
    piped = "-" in (pack, source) or json
    lines = _lines() if piped else _prompt()
    asyncio.run(talk(Settings.load(), lines, pinned=pinned, customer=customer, json=json))


def route(
    text: Annotated[str, typer.Argument(help="The message; `-` reads one a line from standard input.")],
    json: Json = False,
) -> None:
    """Which pack a message goes to, with score, margin and intent."""
    from senmon.cli.conversation import load_router

    router = load_router(Settings.load())
    texts = _lines() if text == "-" else iter([text])
    for line in texts:
        choice = router.route(line)
        record = {
            "pack": choice.pack,
            "score": round(choice.score, 4),
            "margin": round(choice.margin, 4),
            "intent": choice.intent,
        }
        if json:
            emit_line(record)
        else:
            to = choice.pack or "none"
            figures = f"score {choice.score:.2f}  margin {choice.margin:.2f}"
            console.print(f"[bold]{to:<12}[/] {figures}  {choice.intent or ''}")
            if choice.scores and text != "-":
                emit(None, _scores(choice.scores))


def _scores(scores: Mapping[str, float]) -> Table:
    table = Table("pack", "score")
    for name, value in sorted(scores.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{value:.3f}")
    return table


def _lines() -> Iterator[str]:
    """One message a line, as UTF-8; a broken line is refused by number."""
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            yield raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"standard input, line {number}: not UTF-8", remedy="convert it to UTF-8"
            ) from error


def _prompt() -> Iterator[str]:
    console.print("[dim]Type a message; an empty line or Ctrl-D ends.[/]")
    while True:
        try:
            text = console.input("[bold cyan]you[/] ")
        except EOFError:
            return
        if not text.strip():
            return
        yield text
