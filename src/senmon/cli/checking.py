"""`senmon check`: whether a pack is right, whether its data is ready, and what to collect next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from senmon.cli.output import emit

Level = Literal["note", "warning", "error"]


def check(
    pack: Annotated[str, typer.Argument(help="Name of the pack, or its folder.")],
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one HTML page with plots; works offline.")
    ] = None,
    strict: Annotated[
        Level | None,
        typer.Option(help="note, warning or error: exit with 1 when something as grave was found."),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Tune on parts of the data: what would twice the data bring?")
    ] = False,
    curve_minutes: Annotated[
        int, typer.Option(help="Minutes that the curve may take, in tens.", min=10)
    ] = 10,
    full: Annotated[bool, typer.Option("--full", help="Judge every reply, however many there are.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Check a pack and its data: problems with their lines, a readiness score, and what to collect next.

    Looks at volume and balance, lengths, variety, duplicates, leaks into held-out data and suites,
    contradictions, personal data, licences, replies that the pack's own checks refuse, and what no example
    shows. A pack that can't be loaded exits with 1 and every problem; otherwise 0, unless --strict says so.
    """
    from senmon.cli.checking_session import checked, json_of, shown, write_page

    found = checked(pack, full=full, curve_minutes=curve_minutes if curve else None, quiet=json)
    if html is not None:
        write_page(found, html)
    emit(json_of(found), shown(found, html), json=json)
    if strict is not None and found.report.findings.at_least(strict):
        raise typer.Exit(1)
